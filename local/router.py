"""cargo-lambda, which stands in for API Gateway and the Lambda service: HTTP in, API Gateway events out.

Its routes are those of `[workspace.metadata.lambda.watch.router]` in Cargo.toml. It only serves. The functions are
started beside it and not by it: it would give all of them one environment, and say nothing when one fails to start.
"""

import http.client
import json
import os
import shutil
import socket
import socketserver
import sys
import threading
from pathlib import Path

from .processes import LOOPBACK, Processes, StackError, wait_for_port

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


class Router:
    """A running cargo-lambda."""

    def __init__(self, processes: Processes, port: int, root: Path, folder: Path) -> None:
        log = folder / "router.log"
        self.port = port
        command = [
            _cargo_lambda(), "lambda", "watch",
            "--invoke-address", LOOPBACK,
            "--invoke-port", str(port),
            "--only-lambda-apis",
            # It would answer OPTIONS in the functions' place.
            "--disable-cors",
        ]  # fmt: skip
        with log.open("w") as output:
            process = processes.start(command, cwd=root, stdout=output, stderr=output, env=dict(os.environ))
        wait_for_port(port, process, "the router (cargo lambda watch)", log)
        threading.Thread(target=self._refuse_unknown_paths, daemon=True).start()

    def runtime_api(self, function: str) -> str:
        """Where a function fetches its events."""
        return f"http://{LOOPBACK}:{self.port}/.rt/{function}"

    def _refuse_unknown_paths(self) -> None:
        """Answers as API Gateway does when no route matches, in the place of the function that is not there."""
        runtime = f"/.rt/{NO_ROUTE}/2018-06-01/runtime/invocation"
        connection = http.client.HTTPConnection(LOOPBACK, self.port)
        try:
            while True:
                connection.request("GET", f"{runtime}/next")
                event = connection.getresponse()
                event.read()
                request_id = event.getheader("lambda-runtime-aws-request-id")
                if event.status == 200 and request_id:
                    connection.request("POST", f"{runtime}/{request_id}/response", json.dumps(NOT_FOUND))
                    connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return  # The stack is being stopped.


def _cargo_lambda() -> str:
    """The cargo-lambda that was installed beside this Python."""
    installed = Path(sys.executable).parent / "cargo-lambda"
    found = str(installed) if installed.exists() else shutil.which("cargo-lambda")
    if not found:
        raise StackError("cargo-lambda is not installed: `make run` installs it into .local/venv")
    return found


def forward_ipv6(port: int) -> bool:
    """Lets `cargo lambda invoke` find the router: it calls [::1] unless told otherwise, and the router is not there."""
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
    """Hands the bytes of one connection on to the same port of 127.0.0.1, and back."""

    def handle(self) -> None:
        client: socket.socket = self.request
        try:
            router = socket.create_connection((LOOPBACK, self.server.server_address[1]))
        except OSError:
            return
        with router:
            answering = threading.Thread(target=_copy, args=(router, client), daemon=True)
            answering.start()
            _copy(client, router)
            answering.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # One side has hung up, which is how connections end.
