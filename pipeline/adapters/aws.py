"""What all adapters share: how clients are made and what the services' errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import botocore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from pipeline.errors import InvalidRecordError, RetryableError

# Given, for botocore would compose its own twice per call: 90 us each time.
_USER_AGENT: Final = f"Botocore/{botocore.__version__} streamwarden"

MAX_CONNECTIONS: Final = 24
"""Connections of one client; more threads than these would open a new one for each call."""

CLIENT_CONFIG: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    max_pool_connections=MAX_CONNECTIONS,
    parameter_validation=False,  # 40 % of a batch write's CPU; the contract bounds item sizes
    retries={"mode": "standard", "total_max_attempts": 3},
    user_agent=_USER_AGENT,
)
"""Configuration of every client of a deployed function; ends well inside a function's timeout."""

_REFUSED_INPUT: Final = frozenset(
    {
        "InvalidParameter",
        "InvalidParameterValue",
        "ItemCollectionSizeLimitExceededException",
        "ValidationException",
    }
)


def client(service: str) -> Any:  # noqa: ANN401  stubs type the callers' clients
    """Return a client of a service: the one that boto3 would return, without loading boto3.

    boto3 adds file transfer and resources, which are not used here: loading them took 48 to 54 of
    the 301 to 310 ms of CPU that the thumbnails' cold start took.
    """
    return _session().create_client(service, config=CLIENT_CONFIG)


@cache
def _session() -> Session:
    return Session()


@contextmanager
def service_errors(operation: str) -> Iterator[None]:
    """Turn the errors of one AWS call into the pipeline's two.

    Args:
        operation: What was tried, for the message, such as `write the cursor of shard 3`.

    Raises:
        InvalidRecordError: The service refused the input; a repetition is refused as well.
        RetryableError: Throttling, outage, lost connection, or a permission that is missing and
            can be granted while the records wait in the stream.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _REFUSED_INPUT:
            raise InvalidRecordError(f"cannot {operation}: {error}") from error
        raise RetryableError(f"cannot {operation}: {error}") from error
    except BotoCoreError as error:
        raise RetryableError(f"cannot {operation}: {error}") from error
