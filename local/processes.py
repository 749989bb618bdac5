"""Starts programs and ends every one of them, whatever happens in between."""

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
    """What went wrong and how to fix it, shown without a trace."""


class Processes:
    """The programs of one stack. The last one started is the first one ended."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[Any]] = []
        # Threads restart functions that end, but not once the whole stack is ending.
        self._lock = threading.Lock()
        self.stopping = False

    def start(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        """Starts a program in its own process group, out of reach of the terminal's Ctrl-C."""
        with self._lock:
            if self.stopping:
                raise StackError("the local stack is stopping")
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, start_new_session=True, **options
                )
            except OSError as error:
                raise StackError(f"cannot start {command[0]}: {error.strerror}") from error
            self._running.append(process)
            return process

    def start_server(self, what: str, command: list[str], port: int, log: Path, **options: Any) -> None:
        """Starts a program that writes to a log, and returns once it accepts connections on a port."""
        with log.open("w") as output:
            process = self.start(command, stdout=output, stderr=output, **options)
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((LOOPBACK, port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise StackError(f"{what} does not start:{last_lines(log)}\nThe whole log is {shown(log)}")

    def stop(self) -> None:
        """Ends all programs and what they started, gently at first."""
        with self._lock:
            self.stopping = True
        # The id of a program that ended long ago may be another program's by now.
        running = [process for process in reversed(self._running) if process.poll() is None]
        for process in running:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + 3
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0, deadline - time.monotonic()))
            # Also when the program itself has ended: its children may not have.
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self._running.clear()


def _signal_group(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def port_from_environment(variable: str, default: int) -> int:
    """The port that a variable names, when it is free."""
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StackError(f"{variable}={text} is not a port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, int(text)))
        except OSError as error:
            why = f"port {text} is not free ({error.strerror}): is a stack running already?"
            raise StackError(f"{why} Choose another port with {variable}") from error
    return int(text)


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def shown(path: Path) -> str:
    """A path relative to the current folder."""
    return os.path.relpath(path)


def last_lines(log: Path) -> str:
    """The last lines of a log, where programs say why they gave up."""
    lines = [in_words(line) for line in log.read_text(errors="replace").splitlines()]
    return "\n  ".join(["", *[line for line in lines if line][-4:]]) or " it printed nothing"


def in_words(line: str) -> str:
    """A log line as text; empty when it only reports a request."""
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
