"""Makes a token, the secret in the callback URLs, and prints it once. Nothing is stored.

python3 local/make_token.py [BASE_URL]   BASE_URL is the address of your API, from the argument or from API_URL
"""

import hashlib
import os
import re
import secrets
import sys

# Twice the 128 bits that no guessing gets through.
RANDOM_BYTES = 32
PLACEHOLDER = "https://YOUR-API"
# What is registered where. A test compares the paths with template.yaml's.
LINE = "LINE Planet Console"
URLS = (
    (LINE, "notify callback", "/{token}/line/notify_cb"),
    (LINE, "call event callback", "/{token}/line/call_event"),
    (LINE, "group call event callback", "/{token}/line/gcall_event"),
    (LINE, "agent call status callback", "/{token}/line/agent_call_status"),
    ("Tencent", "callback address", "/{token}/tencent/call_event"),
)


def main(arguments: list[str]) -> int:
    """Prints a new token; any mistake is said before there is one."""
    base = arguments[0] if arguments else os.environ.get("API_URL") or PLACEHOLDER
    if len(arguments) > 1 or base in ("-h", "--help"):
        print(__doc__, file=sys.stderr)
        return 2
    if not re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#]*)?", base):
        print(f"{base} is no address that tokens can be sent to: it must begin with https://", file=sys.stderr)
        return 2
    print(text(new_token(), base))
    return 0


def new_token() -> str:
    """A token of letters that a URL's path holds as they are."""
    return secrets.token_urlsafe(RANDOM_BYTES)


def digest(token: str) -> str:
    """What a deployment knows of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def urls(token: str, base: str) -> list[tuple[str, str, str]]:
    """Where each callback is registered, which it is, and its URL."""
    return [(where, what, base.rstrip("/") + path.replace("{token}", token)) for where, what, path in URLS]


def text(token: str, base: str) -> str:
    """What is printed."""
    lines = [
        "This is shown once and kept nowhere. Whoever knows the token can ring your users: treat it like a password.",
        "",
        f"token   {token}",
        f"digest  {digest(token)}",
        "",
        "Deploy with the digest: make deploy TOKEN_SHA256=digest (old,new while you change tokens). Then register:",
    ]
    for where, what, url in urls(token, base):
        lines += ["", f"{where}, {what}", f"  {url}"]
    if base == PLACEHOLDER:
        lines += ["", f"Put the address of your API in the place of {PLACEHOLDER}; the deployment prints it."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
