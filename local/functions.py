"""The functions: built with cargo, started with the environment of template.yaml, and watched."""

import http.client
import json
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .processes import LOOPBACK, Processes, StackError, in_words, last_lines, shown
from .router import Router, invocation
from .template import Function

SECONDS_TO_START = 20


@dataclass(frozen=True)
class Printed:
    """What a function prints: a line about a callback or about a replayed message, or else trouble."""

    fields: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""


def build(processes: Processes, root: Path, names: list[str]) -> dict[str, Path]:
    """Builds functions and returns their binaries, in a fraction of a second when nothing has changed."""
    cargo = shutil.which("cargo")
    if not cargo:
        raise StackError("cargo is not installed: the functions are written in Rust, see https://rustup.rs")
    packages = [word for name in names for word in ("--package", name)]
    # The first build takes minutes and shows its progress. Later ones are quiet.
    quiet = ["--quiet"] if (root / "target/debug" / names[0]).exists() else []
    command = [cargo, "build", *quiet, "--message-format=json-render-diagnostics", *packages]
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
        self._logs: dict[str, IO[bytes]] = {}
        for function in functions:
            self.log(function.name).write_bytes(b"")
            self._logs[function.name] = self.log(function.name).open("rb")
        running = [(function, self._start(function)) for function in functions for _ in range(instances)]
        for function in functions:
            self._wait_until_ready(function, running)
        for function, process in running:
            threading.Thread(target=self._keep_running, args=(function, process), daemon=True).start()

    def log(self, function: str) -> Path:
        """The file with everything that a function prints."""
        return self._folder / f"{function}.log"

    def line_of(self, name: str) -> dict[str, Any]:
        """What a function printed about the request that it has just answered, or about the next message."""
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            for printed in self.new_lines(name):
                if printed.fields:
                    return printed.fields
            time.sleep(0.001)
        return {}

    def new_lines(self, name: str) -> Iterator[Printed]:
        """What a function has printed since the last time, as far as a person should see it."""
        log = self._logs[name]
        while line := log.readline():
            if not line.endswith(b"\n"):
                # The rest is still being written.
                log.seek(-len(line), 1)
                return
            try:
                fields = json.loads(line)
            except ValueError:
                continue
            if isinstance(fields, dict) and fields.get("message") in ("callback", "replay"):
                yield Printed(fields)
            elif isinstance(fields, dict) and fields.get("level") in ("ERROR", "WARN"):
                yield Printed(trouble=in_words(line.decode(errors="replace")))

    def _start(self, function: Function) -> subprocess.Popen[Any]:
        environment = {
            **self._environment,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": function.memory,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_RUNTIME_API": self._router.runtime_api(function.name),
            # Without the caller's shell: a function must not work because of a variable that is set there.
            **function.environment,
        }
        with self.log(function.name).open("ab") as log:
            command = [str(self._binaries[function.name])]
            return self._processes.start(command, env=environment, stdout=log, stderr=log)

    def _keep_running(self, function: Function, process: subprocess.Popen[Any]) -> None:
        """Replaces an instance that ended, as on AWS, unless the new one would only end again."""
        again = True
        while again:
            started = time.monotonic()
            code = process.wait()
            if self._processes.stopping:
                return
            again = time.monotonic() - started > 1
            then = "is started again" if again else "is not started again"
            trouble = {"level": "ERROR", "message": f"ended with code {code} and {then}"}
            with self.log(function.name).open("a") as log:
                log.write(json.dumps(trouble) + "\n")
            if again:
                process = self._start(function)

    def _wait_until_ready(
        self, function: Function, running: list[tuple[Function, subprocess.Popen[Any]]]
    ) -> None:
        """Asks until the function answers, with a wrong token or an empty batch, which have no effect."""
        connection = http.client.HTTPConnection(LOOPBACK, self._router.port)
        if function.routes:
            connection.request("GET", function.routes[0].replace("{token}", "is-it-ready"))
        else:
            connection.request("POST", invocation(function.name), b'{"Records":[]}')
        deadline = time.monotonic() + SECONDS_TO_START
        while not select.select([connection.sock], [], [], 0.05)[0]:
            for other, process in running:
                if process.poll() is not None:
                    log = self.log(other.name)
                    why = f"the function {other.name} does not start:{last_lines(log)}"
                    raise StackError(f"{why}\nThe whole log is {shown(log)}")
            if time.monotonic() > deadline:
                log = self.log(function.name)
                raise StackError(f"the function {function.name} does not answer: see {shown(log)}")
        connection.getresponse().read()
        connection.close()
        if function.routes:
            self.line_of(function.name)
