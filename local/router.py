"""cargo-lambda, which stands in for API Gateway and the Lambda service: HTTP in, API Gateway events out.

Its routes are `[workspace.metadata.lambda.watch.router]` of Cargo.toml. It only serves: it could start
the functions too, but all with one environment, and it would be silent when one fails to start.
"""

import http.client
import json
import os
import shutil
import socket
import socketserver
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .processes import LOOPBACK, Processes, StackError

# The vendors wait two seconds: a callback that takes longer than this has failed.
SECONDS_TO_ANSWER = 10
# The function that cargo-lambda asks when no route matches.
NO_ROUTE = "_"
NOT_FOUND = {
    "statusCode": 404,
    "headers": {"content-type": "application/json"},
    "multiValueHeaders": {},
    "cookies": [],
    "isBase64Encoded": False,
    "body": json.dumps({"message": "Not Found"}),
}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; the status is None when none came."""

    status: int | None
    body: str


def request(
    port: int,
    method: str,
    target: str,
    body: bytes,
    headers: dict[str, str],
    seconds: float = SECONDS_TO_ANSWER,
) -> Answer:
    """One HTTP request to the router."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=seconds)
    try:
        connection.request(method, target, body or None, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, f"no answer: {error}")
    finally:
        connection.close()


def invocation(function: str) -> str:
    """The path that invokes a function, the same as in AWS's own API."""
    return f"/2015-03-31/functions/{function}/invocations"


def invoke(port: int, function: str, event: bytes, seconds: float = SECONDS_TO_ANSWER) -> Answer:
    """Sends an event to a function as `cargo lambda invoke` does. Any status but 200 means that it failed."""
    return request(port, "POST", invocation(function), event, {}, seconds)


class Router:
    """A running cargo-lambda."""

    def __init__(self, processes: Processes, port: int, root: Path, folder: Path) -> None:
        self.port = port
        command = [
            _cargo_lambda(), "lambda", "watch",
            "--invoke-address", LOOPBACK,
            "--invoke-port", str(port),
            "--only-lambda-apis",
            # It would answer OPTIONS in the functions' place.
            "--disable-cors",
        ]  # fmt: skip
        what, log = "the router (cargo lambda watch)", folder / "router.log"
        processes.start_server(what, command, port, log, cwd=root, env=dict(os.environ))
        threading.Thread(target=self._refuse_unknown_paths, daemon=True).start()
        self.ipv6 = _forward_ipv6(port)

    def runtime_api(self, function: str) -> str:
        """Where a function fetches its events."""
        return f"http://{LOOPBACK}:{self.port}/.rt/{function}"

    def _refuse_unknown_paths(self) -> None:
        """Answers as API Gateway does when no route matches."""
        runtime = f"/.rt/{NO_ROUTE}/2018-06-01/runtime/invocation"
        connection = http.client.HTTPConnection(LOOPBACK, self.port)
        # A connection that breaks means that the stack is being stopped.
        with suppress(OSError, http.client.HTTPException):
            while True:
                connection.request("GET", f"{runtime}/next")
                event = connection.getresponse()
                event.read()
                request_id = event.getheader("lambda-runtime-aws-request-id")
                if event.status == 200 and request_id:
                    connection.request("POST", f"{runtime}/{request_id}/response", json.dumps(NOT_FOUND))
                    connection.getresponse().read()


def _cargo_lambda() -> str:
    """The cargo-lambda that was installed beside this Python."""
    installed = Path(sys.executable).parent / "cargo-lambda"
    found = str(installed) if installed.exists() else shutil.which("cargo-lambda")
    if not found:
        raise StackError("cargo-lambda is not installed: `make run` installs it into .local/venv")
    return found


def _forward_ipv6(port: int) -> bool:
    """Lets `cargo lambda invoke` find the router: it calls [::1] unless told otherwise."""
    try:
        server = _Forwarder(("::1", port), _Forward)
    except OSError:
        return False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return True


class _Forwarder(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


class _Forward(socketserver.BaseRequestHandler):
    """Copies the bytes of one connection to the same port of 127.0.0.1, and back."""

    def handle(self) -> None:
        with suppress(OSError), socket.create_connection((LOOPBACK, self.request.getsockname()[1])) as router:
            answering = threading.Thread(target=_copy, args=(router, self.request), daemon=True)
            answering.start()
            _copy(self.request, router)
            answering.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
