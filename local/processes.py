"""Starts programs and ends every one of them, whatever happens in between."""

import errno
import json
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"


class StackError(Exception):
    """What went wrong, said so that a person can put it right: no trace is shown."""


class Processes:
    """The programs of one stack. The last one started is the first one ended."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[Any]] = []
        # Functions are started again by the thread that sees them end: never once the end of everything has begun.
        self._lock = threading.Lock()
        self.stopping = False

    def start(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        """Starts a program in a process group of its own, out of reach of the terminal's Ctrl-C."""
        with self._lock:
            if self.stopping:
                raise StackError("the local stack is stopping")
            try:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
            except OSError as error:
                raise StackError(f"cannot start {command[0]}: {error.strerror}") from error
            self._running.append(process)
            return process

    def stop(self) -> None:
        """Ends all programs and what they started, gently at first."""
        with self._lock:
            self.stopping = True
        # The number of a program that ended long ago may be another program's by now.
        running = [process for process in reversed(self._running) if process.poll() is None]
        for process in running:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + 3
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0, deadline - time.monotonic()))
            # Also when the program itself is gone: what it started may not be.
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self._running.clear()


def _signal_group(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def port_from_environment(variable: str, default: int) -> int:
    """The port that a variable asks for, when it is free."""
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StackError(f"{variable}={text} is no port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, int(text)))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = "is taken: is a stack running already?" if taken else f"cannot be had: {error.strerror}."
            raise StackError(f"port {text} {reason} Another port can be chosen with {variable}") from error
    return int(text)


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[Any], what: str, log: Path, seconds: float = 30) -> None:
    """Returns once a program accepts connections."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise StackError(f"{what} does not start:{last_words(log)}\nAll it said is in {shown(log)}")


def shown(path: Path) -> str:
    """A path as a person in the present folder would write it."""
    return os.path.relpath(path)


def last_words(log: Path) -> str:
    """The last lines of a log, where programs say why they gave up."""
    lines = [in_words(line) for line in log.read_text(errors="replace").splitlines()]
    return "\n  ".join(["", *[line for line in lines if line][-4:]]) or " it said nothing"


def in_words(line: str) -> str:
    """A line of a log as a person would say it; nothing when it only tells of a request."""
    try:
        fields = json.loads(line)
    except ValueError:
        return line.rstrip()
    if not isinstance(fields, dict):
        return line
    if fields.get("message") in ("callback", "replay"):
        return ""
    words = [fields.get("message"), fields.get("error"), fields.get("errorMessage")]
    return ": ".join(str(word) for word in words if word) or line
