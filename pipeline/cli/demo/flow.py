"""`streamwarden flow`: what flows where, drawn from the template itself."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

import click

from pipeline.cli.demo.local import template_option
from pipeline.cli.demo.wiring import EventSource, Step, Subscription, Target, Wiring, read_wiring
from pipeline.cli.stack import StackError
from pipeline.local.intrinsics import TemplateError
from pipeline.local.translate import load_template

_LEGEND: Final = "──► is invoked by, writes to   ◄─► reads and writes"


@click.command()
@template_option
@click.option("--json", "as_json", is_flag=True, help="Print the wiring as JSON.")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Print it as a Mermaid flowchart.")
def flow(template: Path, *, as_json: bool, as_mermaid: bool) -> None:
    """Draw what invokes each function, and where it may write.

    All of it is read from the template, so the picture is right as long as the roles are exact.
    """
    if as_json and as_mermaid:
        raise click.UsageError("--json and --mermaid exclude each other")
    try:
        wiring = read_wiring(load_template(template))
    except TemplateError as error:
        raise StackError(str(error)) from error
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(wiring), indent=2))
    else:
        click.echo("\n".join(mermaid(wiring) if as_mermaid else picture(wiring)))


def picture(wiring: Wiring) -> Iterator[str]:
    """Draw the wiring as text, one block for each function in the order in which data flows."""
    fed = {source.source: step.function for step in wiring.steps for source in step.sources}
    for step in wiring.steps:
        told = [_target_text(target, fed, wiring.subscriptions) for target in step.targets]
        yield from _block(step, told)
        yield ""
    yield _LEGEND


def mermaid(wiring: Wiring) -> Iterator[str]:
    """Write the wiring as a Mermaid flowchart."""
    yield "flowchart LR"
    for step in wiring.steps:
        for source in step.sources:
            node = f'{_node_id(source)}["{source.source}<br/>{source.kind}"]'
            yield f'  {node} -->|"{source.name}"| {step.function}'
        for target in step.targets:
            place = target.place
            label = "given up" if target.on_failure else place.part
            arrow = "<-->" if target.access == "read and write" else "-->"
            text = f'|"{label}"|' if label else ""
            node = f'{place.resource}["{place.resource}<br/>{place.kind}"]'
            yield f"  {step.function} {arrow}{text} {node}"
    for one in wiring.subscriptions:
        yield f'  {one.topic} --> {one.name}["{one.protocol}"]'


def _block(step: Step, targets: Sequence[str]) -> Iterator[str]:
    """Draw the sources on the left, the function in the first row, its targets on the right."""
    sources = [_source_text(source) for source in step.sources] or ["(nothing) "]
    width = max(map(len, sources))
    middle = f"─► {step.function} "
    rows = zip_longest(sources, targets)
    for number, (source, target) in enumerate(rows):
        left = " " * (width + 1)
        if source is not None:
            left = source.ljust(width, "─") + _left_joint(number, len(sources))
        right = ""
        if target is not None:
            right = _right_joint(number, len(targets)) + target
        between = middle if number == 0 else " " * len(middle)
        yield (left + between + ("──" if number == 0 and right else "  ") + right).rstrip()


def _source_text(source: EventSource) -> str:
    kind = f" ({source.kind})" if source.kind != source.source else ""
    return f"{source.source}{kind} ──{source.name}"


def _target_text(
    target: Target, fed: Mapping[str, str], subscriptions: Sequence[Subscription]
) -> str:
    place = target.place
    arrow = "◄─►" if target.access == "read and write" else "──►"
    part = f" {place.part}" if place.part else ""
    text = f"{arrow} {place.resource}{part} ({place.kind})"
    if target.on_failure:
        text += ", what Lambda gives up"
    if place.resource in fed:
        text += f" ──► {fed[place.resource]}"
    for one in subscriptions:
        if one.topic == place.resource:
            text += f" ──► {one.protocol}{f', if {one.condition}' if one.condition else ''}"
    return text


def _left_joint(number: int, count: int) -> str:
    if number == 0:
        return "┬" if count > 1 else "─"
    return "┘" if number == count - 1 else "┤"


def _right_joint(number: int, count: int) -> str:
    if number == 0:
        return "┬" if count > 1 else "─"
    return "└" if number == count - 1 else "├"


def _node_id(source: EventSource) -> str:
    """Return an id that Mermaid takes; a schedule's expression is none."""
    return source.source if source.source.isalnum() else source.name
