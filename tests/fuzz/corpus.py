"""The fuzzer's inputs: made from the cases, or kept in one file for each target, one input a line.

corpus.py unpack FOLDER    writes the kept inputs and those of the cases into FOLDER/<target>/
corpus.py pack FOLDER      keeps the shortest inputs of FOLDER/<target>/, up to a limit; minimise them before
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CASES = ROOT / "target/cases"
KEPT = HERE / "corpus"
# The order of FUNCTIONS in src/lib.rs.
FUNCTIONS = ["notify", "call-event", "group-call-event", "agent-call-status", "tencent-call-event"]
# What a repository can carry.
KEPT_BYTES = 100_000
KEPT_INPUT_BYTES = 2_000
# What the targets read of an event.
READ = ["rawPath", "rawQueryString", "body", "isBase64Encoded"]


def body(event: dict[str, Any]) -> bytes:
    """The body as it arrives at a reader."""
    text = (event.get("body") or "").encode("utf-8", "surrogatepass")
    return base64.b64decode(text) if event.get("isBase64Encoded") else text


def from_event(function: str, event: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Inputs by target."""
    query = str(event.get("rawQueryString") or "").encode("utf-8", "surrogatepass")
    number = FUNCTIONS.index(function)
    if function == "tencent-call-event":
        yield "tencent_body", query + b"\n" + body(event)
    else:
        yield "query", query
    yield "gateway_event", b"\n".join([str(number).encode(), b"", query, body(event)])
    http = event.get("requestContext", {}).get("http", {})
    read = {name: event[name] for name in READ if name in event}
    read["requestContext"] = {"http": {name: http[name] for name in ("method", "sourceIp") if name in http}}
    yield "gateway_event", json.dumps(read).encode()


def from_samples() -> Iterator[tuple[str, bytes]]:
    """Inputs from every case, and one from each story: cases that are numbered in their names."""
    subprocess.run(
        ["cargo", "run", "--quiet", "--locked", "--package", "ringback-cases"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    stories: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for function in FUNCTIONS:
        for path in sorted((CASES / function).glob("*.json")):
            event = json.loads(path.read_text("utf-8"))
            inputs = list(from_event(function, event))
            yield from inputs
            story = re.match(r"(.+?-)\d-", path.stem)
            if story:
                for target, data in inputs:
                    if target != "query" and not data.startswith(b"{"):
                        stories[target, f"{function}/{story[1]}"].append(data)
    for path in sorted((CASES / "replay").glob("*.json")):
        for message in json.loads(path.read_text("utf-8"))["Records"]:
            yield "spool_message", str(message.get("body") or "").encode("utf-8", "surrogatepass")
    for (target, _), parts in stories.items():
        for first in range(0, len(parts), 12):
            yield target, b"\0".join(parts[first : first + 12])


def from_kept() -> Iterator[tuple[str, bytes]]:
    """The kept inputs: those packed in <target>.jsonl, and past failures in <target>.mended.jsonl."""
    for path in sorted(KEPT.glob("*.jsonl")):
        for line in path.read_text("ascii").splitlines():
            yield path.name.split(".")[0], json.loads(line).encode("latin-1")


def unpack(folder: Path) -> None:
    """Writes every input under a name that is the same on each run."""
    for source in (from_samples, from_kept):
        for target, data in source():
            (folder / target).mkdir(parents=True, exist_ok=True)
            (folder / target / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(folder: Path) -> None:
    """Keeps the shortest inputs of each target that the cases do not give."""
    KEPT.mkdir(exist_ok=True)
    given = {data for _, data in from_samples()}
    for target in sorted(path for path in folder.iterdir() if path.is_dir()):
        new = {path.read_bytes() for path in target.iterdir()} - given
        inputs = sorted(new, key=lambda data: (len(data), data))
        lines: list[str] = []
        size = 0
        for data in inputs:
            # Every byte is a letter of Latin-1, so that any input is a line of JSON.
            line = json.dumps(data.decode("latin-1")) + "\n"
            if len(data) <= KEPT_INPUT_BYTES and size + len(line) <= KEPT_BYTES:
                lines.append(line)
                size += len(line)
        (KEPT / f"{target.name}.jsonl").write_text("".join(lines), "ascii")
        print(f"{target.name}: {len(lines)} of {len(inputs)} inputs, {size} bytes")


def main() -> int:
    """Reads the command line."""
    commands = {"unpack": unpack, "pack": pack}
    if len(sys.argv) != 3 or sys.argv[1] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    commands[sys.argv[1]](Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
