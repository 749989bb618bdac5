"""AWS clients, with the caller's settings or the local stack's, and AWS's errors in one line."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from .processes import StackError

# Makes the client of a service by its name.
Clients = Callable[[str], Any]
NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound)


def client(service: str) -> Any:
    """A client with the caller's AWS settings. It gives up instead of hanging."""
    # boto3 reads the region from another variable than AWS's other tools.
    region = os.environ.get("AWS_REGION") or None
    # One throttled call must end neither the scan of a long table nor the wait for a stack.
    retries = {"mode": "standard", "total_max_attempts": 8}
    config = Config(connect_timeout=5, read_timeout=20, retries=retries)
    return boto3.client(service, region_name=region, config=config)


def local_client(service: str, settings: dict[str, str]) -> Any:
    """A client of the local stack. An emulator that does not answer at once is gone."""
    return boto3.client(
        service,
        endpoint_url=settings[f"AWS_ENDPOINT_URL_{service.upper()}"],
        region_name=settings["AWS_REGION"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10),
    )


@contextmanager
def said_in_a_line(about: str) -> Iterator[None]:
    """Turns AWS's errors into one line about a stack."""
    try:
        yield
    except NO_CREDENTIALS as error:
        raise StackError(f"no AWS credentials for {about}: {_line(error)}") from error
    except NoRegionError:
        raise StackError(f"no AWS region for {about}: set AWS_REGION or AWS_PROFILE") from None
    except ClientError as error:
        details = error.response.get("Error", {})
        why = _line(details.get("Message") or details.get("Code"))
        raise StackError(f"AWS refuses {error.operation_name} for {about}: {why}") from error
    except BotoCoreError as error:
        raise StackError(f"AWS cannot be asked about {about}: {_line(error)}") from error


def _line(message: object) -> str:
    return " ".join(str(message).split())
