"""Requests to the router: callbacks as a vendor sends them, events given to functions as the Lambda service does."""

import http.client
from dataclasses import dataclass

from .processes import LOOPBACK

# A callback that takes longer has failed: the vendors wait two seconds.
SECONDS_TO_ANSWER = 10


@dataclass(frozen=True)
class Answer:
    """What a caller gets; without a status there was no answer."""

    status: int | None
    body: str


def request(
    port: int, method: str, target: str, body: bytes, headers: dict[str, str], seconds: float = SECONDS_TO_ANSWER
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
    """The path at which a function can be invoked, which is also that of AWS's own API."""
    return f"/2015-03-31/functions/{function}/invocations"


def invoke(port: int, function: str, event: bytes, seconds: float = SECONDS_TO_ANSWER) -> Answer:
    """Hands an event to a function as `cargo lambda invoke` does. Any status but 200 says that the function failed."""
    return request(port, "POST", invocation(function), event, {}, seconds)
