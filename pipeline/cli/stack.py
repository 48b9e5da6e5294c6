"""Where a command finds its stack: one on AWS by its name, or the local run of this directory."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3.session
import click
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoRegionError,
)

from pipeline.errors import PipelineError
from pipeline.local.endpoint import Endpoint
from pipeline.local.run import LocalRun

STACK_FILE: Final = Path(".streamwarden/stack.json")
"""What `streamwarden local` leaves for the commands of other terminals while it is up."""

EXIT_NOTHING: Final = 1
"""Exit code of a reading command that found nothing."""

EXIT_UNREADABLE: Final = 3
"""Exit code of a command that could not read; click's own for a wrong usage is 2."""

_CONFIG: Final = Config(
    connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4}
)

_INVOKING: Final = Config(  # a function may take its time, and a second try is ours to decide on
    connect_timeout=5, read_timeout=900, retries={"mode": "standard", "total_max_attempts": 1}
)

stack_option = click.option(
    "--stack",
    "stack_name",
    envvar="STREAMWARDEN_STACK",
    show_envvar=True,
    metavar="NAME",
    help="A CloudFormation stack on AWS; without it, the local run of this directory.",
)


class StackError(click.ClickException):
    """The stack, or what is in it, cannot be read; ends the command with exit code 3."""

    exit_code = EXIT_UNREADABLE


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that stands somewhere.

    `outputs` are those of the template, the same on AWS and locally; `client` gives the boto3
    client of a service; `place` says for people where the stack is. `resources` gives the physical
    ids, what `Ref` gives in the template, by logical id. `schedules` are the logical ids of what
    the local run can fire; nobody can on AWS.
    """

    name: str
    place: str
    region: str
    outputs: Mapping[str, str]
    client: Callable[[str], Any]
    resources: Callable[[], Mapping[str, str]]
    schedules: Sequence[str] = ()

    def output(self, name: str) -> str:
        """Return one output of the template.

        Raises:
            StackError: The stack has none of that name, so it is of another template.
        """
        if name not in self.outputs:
            raise StackError(
                f"stack {self.name} ({self.place}) has no output {name}: "
                "it was deployed from another template or an older version of this one"
            )
        return self.outputs[name]


@contextmanager
def reading(stack_name: str | None) -> Iterator[Stack]:
    """Find the stack and turn errors of AWS inside the block into plain words.

    Args:
        stack_name: A stack on AWS, None for the local run of this directory; its own name, which
            stands in the commands that pages hand over, means the local run as well.

    Raises:
        StackError: There is no such stack, or the block met an error of AWS.
    """
    where = f"stack {stack_name}" if stack_name else f"the local run of {STACK_FILE}"
    try:
        if not stack_name or stack_name == _published_name():
            yield _local_stack()
        else:
            yield _stack_on_aws(stack_name)
    except EndpointConnectionError as error:
        hint = "" if stack_name else "; is `streamwarden local` still up?"
        raise StackError(f"cannot read {where}: {error}{hint}") from error
    except ClientError as error:
        told = error.response["Error"]
        reason = f"{told.get('Code', '')}: {told.get('Message', '')}"
        message = f"cannot read {where}: {error.operation_name} was refused, {reason}"
        raise StackError(message) from error
    except NoRegionError as error:
        raise StackError(
            f"cannot read {where}: no AWS region is set; set AWS_REGION, or AWS_PROFILE to a "
            "profile with one. A local run is found by its name in its directory, while it is up."
        ) from error
    except BotoCoreError as error:
        raise StackError(f"cannot read {where}: {error}") from error
    except PipelineError as error:  # as adapters tell it
        raise StackError(f"{where}: {error}") from error


@contextmanager
def published(run: LocalRun, name: str) -> Iterator[None]:
    """Let the commands of other terminals find a local run for as long as the block lasts.

    Args:
        run: The run, already entered.
        name: Name of its stack.
    """
    document = {
        "stack": name,
        "environment": run.endpoint.environment(),
        "outputs": run.deployment.outputs,
        "resources": run.deployment.physical_ids,
        "schedules": run.deployment.routes.scheduled,
    }
    text = json.dumps(document, indent=2) + "\n"
    STACK_FILE.parent.mkdir(parents=True, exist_ok=True)
    STACK_FILE.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        if _published_text() == text:  # a second run of this directory may have taken over
            STACK_FILE.unlink()


def _published_text() -> str | None:
    try:
        return STACK_FILE.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _published_name() -> str | None:
    text = _published_text()
    try:
        document = json.loads(text) if text else None
    except ValueError:
        return None  # whoever means the local run is told that its file is damaged
    name = document.get("stack") if isinstance(document, dict) else None
    return name if isinstance(name, str) else None


def _local_stack() -> Stack:
    text = _published_text()
    if text is None:
        raise StackError(
            f"no local run in this directory: there is no {STACK_FILE}. "
            "Start `streamwarden local` here, or name a stack on AWS with --stack."
        )
    try:
        document = json.loads(text)
        endpoint = Endpoint.from_environment(document["environment"])
        name, outputs = document["stack"], document["outputs"]
        resources, schedules = document["resources"], document["schedules"]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{STACK_FILE} is damaged ({error!r}): start `streamwarden local` again"
        raise StackError(message) from error
    return Stack(
        name,
        endpoint.url,
        endpoint.region,
        outputs,
        endpoint.client,
        lambda: resources,
        tuple(schedules),
    )


def _stack_on_aws(name: str) -> Stack:
    session: Any = boto3.session.Session()

    def client(service: str) -> Any:  # noqa: ANN401  a client's type depends on the service
        return session.client(service, config=_INVOKING if service == "lambda" else _CONFIG)

    def resources() -> Mapping[str, str]:
        pages = client("cloudformation").get_paginator("list_stack_resources").paginate
        return {
            one["LogicalResourceId"]: one.get("PhysicalResourceId", "")
            for page in pages(StackName=name)
            for one in page["StackResourceSummaries"]
        }

    (found,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    region: str = session.region_name
    outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
    return Stack(name, f"AWS {region}", region, outputs, client, resources)
