"""`streamwarden local`: the template on this machine, up until Ctrl-C."""

import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from pipeline.cli.console import make_console
from pipeline.cli.demo.artifact_option import artifact_option, built_packages
from pipeline.cli.demo.faults import fault_table, faults_option
from pipeline.cli.demo.inbox import Inbox
from pipeline.cli.demo.moderation import moderation_option
from pipeline.cli.demo.report import print_page
from pipeline.cli.producers.producer import PutError
from pipeline.cli.stack import published
from pipeline.local.endpoint import Endpoint, EndpointError
from pipeline.local.execution.runtimes import RuntimeUnavailableError
from pipeline.local.faults import INJECTED, FaultPlan
from pipeline.local.intrinsics import TemplateError
from pipeline.local.lambda_service import LambdaSettings
from pipeline.local.rekognition import Declared
from pipeline.local.resources.handler import DeployError
from pipeline.local.run import LocalRun, RunError, RunEvent

RUN_DIRECTORY = Path(".streamwarden")
"""Where local runs keep logs and checkpoints, below the current directory."""

template_option = click.option(
    "--template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=Path("template.yaml"),
    show_default=True,
    help="The SAM template.",
)


def _values_by_name(
    context: click.Context,  # noqa: ARG001  click's signature
    parameter: click.Parameter,  # noqa: ARG001  click's signature
    values: Sequence[str],
) -> dict[str, str]:
    by_name: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        by_name[name] = text
    return by_name


@click.command()
@template_option
@click.option(
    "--parameter",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_values_by_name,
    help="A value for a parameter of the template, in place of its default; may be repeated.",
)
@faults_option
@moderation_option
@artifact_option
@click.option("--logs", is_flag=True, help="Show every line that the functions log.")
def local(
    template: Path,
    parameters: Mapping[str, str],
    faults: FaultPlan | None,
    moderation: Declared | None,
    *,
    artifact: bool,
    logs: bool,
) -> None:
    """Keep the stack up on this machine, and show its pages.

    Ctrl-C ends it. AWS_ENDPOINT_URL in the environment points it at another endpoint than its own.
    While it is up, the reading commands in other terminals of this directory find it.
    """
    console = make_console()
    with (
        plain_words(),
        open_local_run(
            template,
            "local",
            console,
            parameters=parameters,
            faults=faults,
            moderation=moderation,
            settings=LambdaSettings(fires_schedules=True),
            packages=built_packages(template) if artifact else None,
            logs=logs,
        ) as run,
        published(run, "streamwarden-local"),
    ):
        inbox = Inbox(
            run.endpoint.client("sns"),
            run.endpoint.client("sqs"),
            run.deployment.physical_ids["OnCallTopic"],
            "streamwarden-local-pages",
        )
        try:
            _print_usage(console, run)
            while True:
                for page in inbox.read():
                    print_page(console, page)
        except KeyboardInterrupt:
            console.print("\nstopping")
            if faults:
                console.print(fault_table(run.faults()))


def open_local_run(  # noqa: PLR0913  the docstring says what each is for
    template: Path,
    name: str,
    console: Console,
    *,
    parameters: Mapping[str, str] | None = None,
    faults: FaultPlan | None = None,
    moderation: Declared | None = None,
    settings: LambdaSettings | None = None,
    packages: Mapping[str, Path] | None = None,
    logs: bool = False,
) -> LocalRun:
    """Return a local run that tells its failures on the console; it is yet to be entered.

    Args:
        template: The SAM template.
        name: Tells the stack and the run's directory from those of other runs.
        console: Where failures are shown, and log lines if wanted.
        parameters: Values of the template's parameters in place of their defaults.
        faults: What is to go wrong.
        moderation: What Rekognition answers about unsafe images.
        settings: How the local Lambda differs from the real one; schedules do not fire without it.
        packages: Built packages to run in place of the sources, by the function's logical id.
        logs: Whether every log line is shown.
    """
    console.print(f"deploying {template}")
    if packages:
        console.print("the functions run from their packages, under awslambdaric")
    if faults:
        console.print(f"faults are injected by seed {faults.seed} at rate {faults.rate}")
    return LocalRun(
        template,
        directory=RUN_DIRECTORY / name,
        stack_name=f"streamwarden-{name}",
        parameters=parameters,
        endpoint=Endpoint.from_environment(os.environ, faults=faults),
        on_event=event_printer(console, logs=logs),
        settings=settings,
        faults=faults,
        moderation=moderation,
        packages=packages,
    )


def event_printer(console: Console, *, logs: bool) -> Callable[[RunEvent], None]:
    """Return what shows the events of a run; safe to call from several threads.

    What comes again as before is shown again only at its 10th, 100th … time. A failure is red, what
    the user has asked for or may expect is yellow, without the lines that lead to it.
    """
    seen: Counter[tuple[str, str]] = Counter()
    lock = threading.Lock()

    def show(event: RunEvent) -> None:
        if event.kind == "log":
            if logs:
                console.out(f"{event.subject}: {event.message}", highlight=False)
            return
        with lock:
            seen[event.subject, event.message] += 1
            times = seen[event.subject, event.message]
        if not _is_power_of_ten(times):
            return
        again = f" ({times} times)" if times > 1 else ""
        is_wanted = event.kind in {"fault", "note"} or INJECTED in event.message
        lines = () if is_wanted else event.lines
        text = "".join(f"\n    {escape(line)}" for line in lines)
        headline = escape(f"{event.subject}: {event.message}{again}")
        colour = "yellow" if is_wanted else "red"
        console.print(f"[{colour}]{event.kind}[/{colour}] {headline}{text}", soft_wrap=True)

    return show


@contextmanager
def plain_words() -> Iterator[None]:
    """Turn what can go wrong with a run into a message and exit code 1."""
    try:
        yield
    except (
        DeployError,
        EndpointError,
        PutError,
        RunError,
        RuntimeUnavailableError,
        TemplateError,
    ) as error:
        raise click.ClickException(str(error)) from error


def print_unhandled(console: Console, run: LocalRun) -> None:
    """Name the resources of the template that the local run does without."""
    if run.deployment.unhandled:
        names = ", ".join(
            f"{name} ({kind})" for name, kind in sorted(run.deployment.unhandled.items())
        )
        console.print(f"not part of the local run: {escape(names)}", soft_wrap=True)


def _print_usage(console: Console, run: LocalRun) -> None:
    print_unhandled(console, run)
    stream = run.deployment.outputs["EventStreamName"]
    exports = "\n".join(
        f"export {name}={text}" for name, text in run.endpoint.environment().items()
    )
    event = (
        '\'{"event_type":"system_metric","source":"web-7","metric_name":"disk_usage",'
        '"value":95.2,"unit":"%","timestamp":"\'$(date -u +%FT%TZ)\'"}\''
    )
    console.out(
        f"\nThe stream is {stream} on {run.endpoint.url}. "
        "In another terminal, in this directory:\n\n"
        f"{_on_path()}{exports}\n"
        f"echo {event} |\n"
        f"  aws kinesis put-record --stream-name {stream} --partition-key web-7 "
        "--data fileb:///dev/stdin\n"
        "streamwarden alerts list\n\n"
        f"Logs are in {RUN_DIRECTORY / 'local'}; pages appear here. Ctrl-C ends the run.\n",
        highlight=False,
    )


def _on_path() -> str:
    """Return the line that a shell needs to find `streamwarden`, empty where it does already."""
    activate, here = Path(sys.prefix, "bin", "activate"), Path.cwd()
    if shutil.which("streamwarden") or not activate.exists():
        return ""
    return f". {activate.relative_to(here) if activate.is_relative_to(here) else activate}\n"


def _is_power_of_ten(number: int) -> bool:
    return str(number).strip("0") == "1"
