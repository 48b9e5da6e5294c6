"""Which rules a command works with: packaged ones, those of a stack, or what a file changes."""

from pathlib import Path
from typing import NamedTuple

import click

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.rule_parameter import ParameterRules
from pipeline.cli.stack import STACK_FILE, Stack, reading
from pipeline.cli.tables import remark
from pipeline.detection.overrides import overridden, touched_by
from pipeline.detection.rules import Rules, RulesError

rules_option = click.option(
    "--rules",
    "rules_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML laid over the packaged rules: what differs, or a whole changed copy.",
)


class Chosen(NamedTuple):
    """Rules, where they come from, and which of them an override has a table for."""

    rules: Rules
    origin: str
    touched: frozenset[str] = frozenset()


def from_file(path: Path) -> Chosen:
    """Read rules that a file changes.

    Raises:
        click.ClickException: The file cannot be used; ends the command with exit code 1.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return Chosen(overridden(text), str(path), touched_by(text))
    except (RulesError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def in_force(stack_name: str | None) -> Chosen:
    """Return the rules of a stack, or the packaged ones where there is none to be found."""
    if stack_name is None and not STACK_FILE.exists():
        return Chosen(overridden(""), "packaged")
    with reading(stack_name) as stack:
        return of_stack(stack)


def followed_by(stack: Stack) -> Rules:
    """Return the rules that a stack follows, the packaged ones if its parameter cannot be read."""
    name = stack.output("RulesParameterName")
    return ParameterRules(stack.client("ssm"), name, SystemClock()).current()


def of_stack(stack: Stack) -> Chosen:
    """Return the rules that a new environment of a stack would follow; say so if they are old."""
    name = stack.output("RulesParameterName")
    source = ParameterRules(stack.client("ssm"), name, SystemClock())
    rules = source.current()
    for fault in source.faults():
        remark(f"version {fault.version} of {name} is not followed: {fault.reason}")
    text = parameter_text(stack)
    is_followed = text is not None and not source.faults()
    touched = touched_by(text) if text is not None and is_followed else frozenset()
    return Chosen(rules, f"parameter {name}" if text is not None else "packaged", touched)


def parameter_text(stack: Stack) -> str | None:
    """Read the override as it stands, None when there is none."""
    client = stack.client("ssm")
    try:
        found = client.get_parameter(Name=stack.output("RulesParameterName"))
    except client.exceptions.ParameterNotFound:
        return None
    text: str = found["Parameter"]["Value"]
    return text
