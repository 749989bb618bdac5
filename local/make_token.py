"""Makes a token, the secret in the callback URLs, and prints it once. Nothing is stored.

python3 local/make_token.py [BASE_URL]   BASE_URL is the address of your API, given here or as API_URL
"""

import hashlib
import os
import re
import secrets
import sys
import tomllib
from pathlib import Path

# 256 random bits.
RANDOM_BYTES = 32
PLACEHOLDER = "https://YOUR-API"
CARGO = Path(__file__).resolve().parent.parent / "Cargo.toml"
# Where a vendor's callbacks are registered, by the part of the path that names the vendor.
CONSOLES = {"line": "LINE Planet Console", "tencent": "Tencent"}


def callbacks() -> list[tuple[str, str, str]]:
    """Where each callback is registered, its name and its path, as Cargo.toml lists them."""
    router = tomllib.loads(CARGO.read_text())["workspace"]["metadata"]["lambda"]["watch"]["router"]
    return [
        (CONSOLES[vendor], function.removeprefix(f"{vendor}-").replace("-", " ") + " callback", path)
        for path, function in router.items()
        for vendor in [path.split("/")[2]]
    ]


URLS = callbacks()


def main(arguments: list[str]) -> int:
    """Prints a new token; mistakes are found before there is one."""
    base = arguments[0] if arguments else os.environ.get("API_URL") or PLACEHOLDER
    if len(arguments) > 1 or base in ("-h", "--help"):
        print(__doc__, file=sys.stderr)
        return 2
    if not re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#]*)?", base):
        print(f"tokens must not be sent to {base}: the address must begin with https://", file=sys.stderr)
        return 2
    print(text(new_token(), base))
    return 0


def new_token() -> str:
    """A token of letters that a URL's path holds as they are."""
    return secrets.token_urlsafe(RANDOM_BYTES)


def digest(token: str) -> str:
    """What a deployment knows of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def text(token: str, base: str) -> str:
    """What is printed."""
    lines = [
        "This is shown once and stored nowhere. With the token one can ring your users: it is a password.",
        "",
        f"token   {token}",
        f"digest  {digest(token)}",
        "",
        "Deploy with make deploy TOKEN_SHA256=digest (old,new while you change tokens). Then register:",
    ]
    for console, name, path in URLS:
        lines += ["", f"{console}, {name}", "  " + base.rstrip("/") + path.replace("{token}", token)]
    if base == PLACEHOLDER:
        lines += ["", f"Replace {PLACEHOLDER} by the address of your API; the deployment prints it."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
