"""Where producers put: a stream by its name, or that of a stack."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import boto3.session
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoRegionError

from pipeline.cli.producers.producer import Producer
from pipeline.cli.stack import reading, stack_option

EXIT_REFUSED: Final = 1
"""Exit code when some lines were refused."""

EXIT_NOT_PUT: Final = 3
"""Exit code when the stream could not be found or reached, or went on refusing records."""

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    parameter_validation=False,  # the records were checked already, and more strictly
    retries={"mode": "standard", "total_max_attempts": 4},
)

_stream_option = click.option(
    "--stream",
    envvar="STREAMWARDEN_STREAM",
    show_envvar=True,
    metavar="NAME",
    help="The Kinesis stream to put on, instead of that of a stack.",
)

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class NotPutError(click.ClickException):
    """Ends a command that could not put, with `EXIT_NOT_PUT`."""

    exit_code = EXIT_NOT_PUT


def stream_options(command: CommandT) -> CommandT:
    """Add the options `--stream` and `--stack`, which `open_producer` takes."""
    return _stream_option(stack_option(command))


def open_producer(stream: str | None, stack_name: str | None) -> Producer:
    """Return a producer for a stream.

    Args:
        stream: Its name. Credentials, region and endpoint come from where every AWS tool has
            them, so `AWS_ENDPOINT_URL` leads to a local run.
        stack_name: The stack to find it by otherwise; None for the local run of this directory.

    Raises:
        StackError: There is no such stack.
        NotPutError: Region, credentials or profile are missing.
    """
    if not stream:
        with reading(stack_name) as stack:
            return Producer(stack.client("kinesis"), stack.output("EventStreamName"))
    try:
        session: Any = boto3.session.Session()
        return Producer(session.client("kinesis", config=_CONFIG), stream)
    except NoRegionError as error:
        message = f"cannot put on {stream}: no AWS region is set; set AWS_REGION"
        raise NotPutError(message) from error
    except BotoCoreError as error:
        raise NotPutError(f"cannot put on {stream}: {error}") from error
