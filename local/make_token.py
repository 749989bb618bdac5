"""Makes a token, the secret in the callback URLs, and prints it once. Nothing is stored.

API_URL in the environment, the address of your API, makes the printed URLs whole.
"""

import hashlib
import os
import re
import secrets
import sys
import tomllib
from pathlib import Path

PLACEHOLDER = "https://YOUR-API"
CARGO = Path(__file__).resolve().parent.parent / "Cargo.toml"
# Where a vendor's callbacks are registered, by the part of the path that names the vendor.
CONSOLES = {"line": "LINE Planet Console", "tencent": "Tencent"}


def routes() -> dict[str, str]:
    """The function of each path, as Cargo.toml lists them for the local router."""
    router: dict[str, str] = tomllib.loads(CARGO.read_text())["workspace"]["metadata"]["lambda"]["watch"][
        "router"
    ]
    return router


def new_token() -> str:
    """256 random bits in letters that a URL's path holds as they are."""
    return secrets.token_urlsafe(32)


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
    for path, function in routes().items():
        vendor = path.split("/")[2]
        name = function.removeprefix(f"{vendor}-").replace("-", " ")
        url = base.rstrip("/") + path.replace("{token}", token)
        lines += ["", f"{CONSOLES[vendor]}, {name} callback", f"  {url}"]
    if base == PLACEHOLDER:
        lines += ["", f"Replace {PLACEHOLDER} by the address of your API; the deployment prints it."]
    return "\n".join(lines)


if __name__ == "__main__":
    base = os.environ.get("API_URL") or PLACEHOLDER
    if not re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#]*)?", base):
        sys.exit(f"tokens must not be sent to {base}: the address must begin with https://")
    print(text(new_token(), base))
