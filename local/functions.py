"""The functions: built with cargo, started with the environment that template.yaml gives them, and listened to."""

import http.client
import json
import queue
import select
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .client import invocation
from .processes import LOOPBACK, Processes, StackError, in_words, last_words, shown
from .router import Router
from .template import Function

SECONDS_TO_START = 20


@dataclass(frozen=True)
class Callback:
    """The line that a function prints for each request."""

    function: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Replay:
    """The line that a function prints for each message of a queue."""

    function: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Trouble:
    """Anything else that a person should see."""

    function: str
    text: str


Said = Callback | Replay | Trouble


def build(processes: Processes, root: Path, names: list[str]) -> dict[str, Path]:
    """Builds functions and says where their binaries are. Nothing to build takes a fraction of a second."""
    cargo = shutil.which("cargo")
    if not cargo:
        raise StackError("cargo is not installed: the functions are written in Rust, see https://rustup.rs")
    command = [cargo, "build", "--message-format=json-render-diagnostics"]
    for name in names:
        command += ["--package", name]
    process = processes.start(command, cwd=root, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate()
    if process.returncode != 0:
        raise StackError("the functions do not build: what cargo says is above")
    messages = [json.loads(line) for line in output.splitlines()]
    binaries = {
        message["target"]["name"]: Path(message["executable"]) for message in messages if message.get("executable")
    }
    missing = [name for name in names if name not in binaries]
    if missing:
        raise StackError(f"cargo builds no binary {', '.join(missing)}, which template.yaml names")
    return binaries


class Functions:
    """The running functions. Each instance takes one request at a time, as on AWS."""

    def __init__(
        self,
        processes: Processes,
        functions: list[Function],
        binaries: dict[str, Path],
        router: Router,
        environment: dict[str, str],
        folder: Path,
        instances: int,
    ) -> None:
        self._processes = processes
        self._binaries = binaries
        self._router = router
        self._environment = environment
        self._folder = folder
        self._ready = False
        self._ended: queue.Queue[str] = queue.Queue()
        self._said: dict[str, queue.Queue[Said]] = {each.name: queue.Queue() for each in functions}
        for function in functions:
            self._log(function).write_bytes(b"")
            for _ in range(instances):
                self._start(function)
        for function in functions:
            self._wait_until_ready(function)
        self._ready = True

    def line_of(self, name: str) -> dict[str, Any]:
        """What a function has printed about the request that it has just answered, or the next message of the batch."""
        try:
            while True:
                said = self._said[name].get(timeout=1)
                if not isinstance(said, Trouble):
                    return said.fields
        except queue.Empty:
            return {}

    def all_say(self) -> "queue.Queue[Said]":
        """Whatever any function says from now on."""
        together: queue.Queue[Said] = queue.Queue()
        self._said = dict.fromkeys(self._said, together)
        return together

    def _log(self, function: Function) -> Path:
        return self._folder / f"{function.name}.log"

    def _start(self, function: Function) -> None:
        environment = {
            **self._environment,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": function.memory,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_RUNTIME_API": self._router.runtime_api(function.name),
            # Nothing else: what happens to be set in a reader's shell must not make a function work.
            **function.environment,
        }
        process = self._processes.start(
            [str(self._binaries[function.name])], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self._listen, args=(function, process), daemon=True).start()

    def _listen(self, function: Function, process: subprocess.Popen[bytes]) -> None:
        """Keeps what a function says in its log, and passes on what a person should see."""
        started = time.monotonic()
        assert process.stdout is not None
        with self._log(function).open("ab", buffering=0) as log:
            for line in process.stdout:
                log.write(line)
                self._pass_on(function, line.decode(errors="replace"))
        process.wait()
        if self._processes.stopping:
            return
        if not self._ready:
            self._ended.put(function.name)
            return
        # A new instance takes the place of one that ended, as on AWS; not when it would only end again.
        again = time.monotonic() - started > 1
        then = "and is started again" if again else "and is not started again"
        self._tell(Trouble(function.name, f"ended with code {process.returncode} {then}"))
        if again:
            try:
                self._start(function)
            except StackError as error:
                self._tell(Trouble(function.name, str(error)))

    def _pass_on(self, function: Function, line: str) -> None:
        try:
            fields = json.loads(line)
        except ValueError:
            return
        if not isinstance(fields, dict):
            return
        if fields.get("message") == "callback":
            self._tell(Callback(function.name, fields))
        elif fields.get("message") == "replay":
            self._tell(Replay(function.name, fields))
        elif fields.get("level") in ("ERROR", "WARN"):
            self._tell(Trouble(function.name, in_words(line)))

    def _tell(self, said: Said) -> None:
        self._said[said.function].put(said)

    def _wait_until_ready(self, function: Function) -> None:
        """Knocks until the function answers: with a wrong token or a batch of no messages, which has no effect."""
        connection = http.client.HTTPConnection(LOOPBACK, self._router.port)
        if function.routes:
            connection.request("GET", function.routes[0].replace("{token}", "is-it-ready"))
        else:
            connection.request("POST", invocation(function.name), b'{"Records":[]}')
        deadline = time.monotonic() + SECONDS_TO_START
        while not select.select([connection.sock], [], [], 0.05)[0]:
            if not self._ended.empty():
                name = self._ended.get()
                log = self._folder / f"{name}.log"
                raise StackError(
                    f"the function {name} does not start:{last_words(log)}\nAll it said is in {shown(log)}"
                )
            if time.monotonic() > deadline:
                raise StackError(f"the function {function.name} does not answer: see {shown(self._log(function))}")
        connection.getresponse().read()
        connection.close()
        if function.routes:
            self.line_of(function.name)
