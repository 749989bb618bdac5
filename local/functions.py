"""The functions: built with cargo, started with the environment that template.yaml gives them, and listened to."""

import http.client
import json
import queue
import select
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .processes import LOOPBACK, Processes, StackError, in_words, last_lines, shown
from .router import Router, invocation
from .template import Function

SECONDS_TO_START = 20


@dataclass(frozen=True)
class Printed:
    """What a function prints: a line about a callback or about a replayed message, or else trouble."""

    function: str
    fields: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""


def build(processes: Processes, root: Path, names: list[str]) -> dict[str, Path]:
    """Builds functions and returns their binaries. When nothing has changed it takes a fraction of a second."""
    cargo = shutil.which("cargo")
    if not cargo:
        raise StackError("cargo is not installed: the functions are written in Rust, see https://rustup.rs")
    command = [cargo, "build", "--message-format=json-render-diagnostics"]
    for name in names:
        command += ["--package", name]
    process = processes.start(command, cwd=root, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate()
    if process.returncode != 0:
        raise StackError("the functions do not build: see cargo's messages above")
    messages = [json.loads(line) for line in output.splitlines()]
    binaries = {
        each["target"]["name"]: Path(each["executable"]) for each in messages if each.get("executable")
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
        self._printed: dict[str, queue.Queue[Printed]] = {each.name: queue.Queue() for each in functions}
        for function in functions:
            self.log(function.name).write_bytes(b"")
            for _ in range(instances):
                self._start(function)
        for function in functions:
            self._wait_until_ready(function)
        self._ready = True

    def log(self, function: str) -> Path:
        """Where everything is that a function prints."""
        return self._folder / f"{function}.log"

    def line_of(self, name: str) -> dict[str, Any]:
        """What a function printed about the request that it has just answered, or the batch's next message."""
        try:
            while True:
                printed = self._printed[name].get(timeout=1)
                if not printed.trouble:
                    return printed.fields
        except queue.Empty:
            return {}

    def all_printed(self) -> "queue.Queue[Printed]":
        """What any function prints from now on."""
        together: queue.Queue[Printed] = queue.Queue()
        self._printed = dict.fromkeys(self._printed, together)
        return together

    def _start(self, function: Function) -> None:
        environment = {
            **self._environment,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": function.memory,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_RUNTIME_API": self._router.runtime_api(function.name),
            # Nothing of the caller's shell: a function must not work because of a variable that is set there.
            **function.environment,
        }
        command = [str(self._binaries[function.name])]
        process = self._processes.start(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self._listen, args=(function, process), daemon=True).start()

    def _listen(self, function: Function, process: subprocess.Popen[bytes]) -> None:
        """Keeps what a function prints in its log, and passes on what a person should see."""
        started = time.monotonic()
        assert process.stdout is not None
        with self.log(function.name).open("ab", buffering=0) as log:
            for line in process.stdout:
                log.write(line)
                self._pass_on(function.name, line.decode(errors="replace"))
        process.wait()
        if self._processes.stopping:
            return
        if not self._ready:
            self._ended.put(function.name)
            return
        # A new instance takes the place of one that ended, as on AWS, unless it would only end again.
        again = time.monotonic() - started > 1
        then = "and is started again" if again else "and is not started again"
        self._tell(Printed(function.name, trouble=f"ended with code {process.returncode} {then}"))
        if again:
            try:
                self._start(function)
            except StackError as error:
                self._tell(Printed(function.name, trouble=str(error)))

    def _pass_on(self, function: str, line: str) -> None:
        try:
            fields = json.loads(line)
        except ValueError:
            return
        if not isinstance(fields, dict):
            return
        if fields.get("message") in ("callback", "replay"):
            self._tell(Printed(function, fields))
        elif fields.get("level") in ("ERROR", "WARN"):
            self._tell(Printed(function, trouble=in_words(line)))

    def _tell(self, printed: Printed) -> None:
        self._printed[printed.function].put(printed)

    def _wait_until_ready(self, function: Function) -> None:
        """Asks until the function answers, with a wrong token or an empty batch, which have no effect."""
        connection = http.client.HTTPConnection(LOOPBACK, self._router.port)
        if function.routes:
            connection.request("GET", function.routes[0].replace("{token}", "is-it-ready"))
        else:
            connection.request("POST", invocation(function.name), b'{"Records":[]}')
        deadline = time.monotonic() + SECONDS_TO_START
        while not select.select([connection.sock], [], [], 0.05)[0]:
            if not self._ended.empty():
                name = self._ended.get()
                log = self.log(name)
                why = f"the function {name} does not start:{last_lines(log)}"
                raise StackError(f"{why}\nThe whole log is {shown(log)}")
            if time.monotonic() > deadline:
                log = self.log(function.name)
                raise StackError(f"the function {function.name} does not answer: see {shown(log)}")
        connection.getresponse().read()
        connection.close()
        if function.routes:
            self.line_of(function.name)
