"""`streamwarden rules`: what is worth an alert, seen and changed without a deployment."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import UNSET

from pipeline.cli.lake.events import LakeEvent
from pipeline.cli.rules.examples import ELSEWHERE, WITHOUT_EXAMPLES, outcomes
from pipeline.cli.rules.explaining import explain
from pipeline.cli.rules.files import (
    Chosen,
    from_file,
    in_force,
    of_stack,
    parameter_text,
    rules_option,
)
from pipeline.cli.stack import EXIT_NOTHING, reading, stack_option
from pipeline.cli.tables import Column, print_json, print_table, remark, table
from pipeline.detection.overrides import (
    MAX_ADVANCED_CHARS,
    MAX_STANDARD_CHARS,
    Difference,
    changed_without_version,
    differences,
    overridden,
)
from pipeline.detection.rule import Rule
from pipeline.detection.rules import StaticLimit
from pipeline.errors import InvalidRecordError
from pipeline.events import decode
from pipeline.flows.alerts.texts import clean

_TOLD_APART: Final = frozenset(
    {
        *("id", "version", "kind", "detector", "runbook", "impact", "next_steps", "staged"),
        *("severity", "component", "knobs", "limits", "public_domains"),
    }
)
_MAX_REASON_CHARS: Final = 400
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def rules() -> None:
    """See, try and change the rules; a change needs no deployment."""


@rules.command("list")
@stack_option
@rules_option
@_json_option
def list_(stack_name: str | None, rules_file: Path | None, *, as_json: bool) -> None:
    """List the rules in force.

    They are those of the stack, of the local run or, without either, the packaged ones.

    Exit code 0: listed; 1: the file cannot be used; 2: wrong usage; 3: the stack cannot be read.
    """
    chosen = from_file(rules_file) if rules_file else in_force(stack_name)
    if as_json:
        print_json([_document(rule, chosen) for rule in chosen.rules.all()])
        return
    columns = (
        Column("rule"),
        Column("severity"),
        Column("version", is_figure=True),
        Column("staged"),
        Column("from"),
        Column("thresholds", is_whole=False),
        Column("runbook"),
    )
    lines = [line for rule in chosen.rules.all() for line in _lines(rule, chosen)]
    print_table(table(f"Rules: {chosen.origin}", columns, lines))


@rules.command()
@click.argument("rule_ids", metavar="[RULE]...", nargs=-1)
@stack_option
@rules_option
@_json_option
def test(
    rule_ids: tuple[str, ...], stack_name: str | None, rules_file: Path | None, *, as_json: bool
) -> None:
    """Run the examples of each RULE, or of all.

    The rules are those in force, or changed by --rules.

    Exit code 0: all as the examples say; 1: some are not, or the file cannot be used; 2: wrong
    usage; 3: the stack cannot be read.
    """
    chosen = from_file(rules_file) if rules_file else in_force(stack_name)
    known = [rule.id for rule in chosen.rules.all()]
    for rule_id in rule_ids:
        if rule_id not in known:
            raise click.UsageError(f"no rule {rule_id}: see streamwarden rules list")
    asked = rule_ids or known
    ran = [one for rule_id in asked for one in outcomes(rule_id, chosen.rules)]
    unmet = [one for one in ran if not one.is_met]
    if as_json:
        print_json([{**one._asdict(), "is_met": one.is_met} for one in ran])
    else:
        for one in unmet:
            wanted, found = (", ".join(edges) or "nothing" for edges in (one.expected, one.found))
            click.echo(f"{one.rule_id}: {one.example}: {wanted} expected, {found} found")
        click.echo(f"{len(ran):,} examples, {len(unmet):,} of them not met; rules: {chosen.origin}")
    _remark_on(ELSEWHERE.intersection(asked), "tried by the project's own tests alone")
    _remark_on(WITHOUT_EXAMPLES.intersection(asked), "without examples, being about the pipeline")
    if unmet:
        raise SystemExit(EXIT_NOTHING)


@rules.command("explain")
@click.argument("event")
@stack_option
@rules_option
@_json_option
def explain_(event: str, stack_name: str | None, rules_file: Path | None, *, as_json: bool) -> None:
    """Tell what each rule of the stream says of EVENT, and why.

    EVENT is JSON, or @FILE. The event is taken to be the first of its subject, so rules that need a
    past say what they take.

    Exit code 0: told; 1: the event breaks the contract, or the file cannot be used; 2: wrong usage;
    3: the stack cannot be read.
    """
    chosen = from_file(rules_file) if rules_file else in_force(stack_name)
    verdicts = explain(_given(event), chosen.rules)
    if as_json:
        print_json([one._asdict() for one in verdicts])
        return
    columns = (Column("rule"), Column("says"), Column("because", is_whole=False))
    lines = [(one.rule_id, one.verdict, clean(one.reason, _MAX_REASON_CHARS)) for one in verdicts]
    print_table(table(f"As the first event of its subject; rules: {chosen.origin}", columns, lines))


@rules.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@stack_option
@click.option("--advanced", is_flag=True, help="Allow 8,192 characters, which AWS charges for.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def set_(file: Path, stack_name: str | None, *, advanced: bool, yes: bool) -> None:
    """Override the packaged rules by what FILE says.

    The file is checked first, and no deployment is needed. FILE is TOML with what differs from the
    packaged rules; it replaces the override before it.

    Exit code 0: done, or nothing to do; 1: the file cannot be used, or you said no; 2: wrong usage;
    3: the stack cannot be read.
    """
    after = from_file(file)
    text = file.read_text(encoding="utf-8") or "# nothing\n"
    limit = MAX_ADVANCED_CHARS if advanced else MAX_STANDARD_CHARS
    if len(text) > limit:
        hint = "" if advanced else "; --advanced allows twice as many"
        raise click.ClickException(f"{file} has {len(text):,} characters of {limit:,}{hint}")
    with reading(stack_name) as stack:
        before = of_stack(stack)
        if parameter_text(stack) == text:
            remark("the override says so already")
            return
        _print_differences(differences(before.rules, after.rules))
        for rule_id in changed_without_version(before.rules, after.rules):
            remark(f"{rule_id} judges otherwise under the same version: facts cannot tell the two")
        _confirm(f"Write this to {stack.output('RulesParameterName')} of {stack.place}?", yes=yes)
        stack.client("ssm").put_parameter(
            Name=stack.output("RulesParameterName"),
            Description="What differs from Streamwarden's packaged rules, as TOML",
            Value=text,
            Type="String",
            Tier="Advanced" if advanced else "Standard",
            Overwrite=True,
        )
    click.echo("written; functions follow within a minute")


@rules.command()
@stack_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(stack_name: str | None, *, yes: bool) -> None:
    """Go back to the packaged rules.

    Exit code 0: done; 1: nothing is overridden, or you said no; 2: wrong usage; 3: the stack cannot
    be read.
    """
    with reading(stack_name) as stack:
        if parameter_text(stack) is None:
            remark("nothing is overridden")
            raise SystemExit(EXIT_NOTHING)
        _print_differences(differences(of_stack(stack).rules, overridden("")))
        _confirm(f"Delete {stack.output('RulesParameterName')} of {stack.place}?", yes=yes)
        stack.client("ssm").delete_parameter(Name=stack.output("RulesParameterName"))
    click.echo("cleared; functions follow within a minute")


def _remark_on(rule_ids: Collection[str], why: str) -> None:
    if rule_ids:
        remark(f"{why}: {', '.join(sorted(rule_ids))}")


def _given(event: str) -> LakeEvent:
    try:
        text = Path(event[1:]).read_bytes() if event.startswith("@") else event.encode()
        decoded = decode(text.strip())
    except OSError as error:
        raise click.UsageError(f"{event[1:]} cannot be read: {error.strerror}") from error
    except InvalidRecordError as error:
        raise click.ClickException(f"{error.reason} (at {error.path})") from error
    event_id = "event" if decoded.event_id is UNSET else decoded.event_id
    return LakeEvent("event", 0, decoded.timestamp, event_id, decoded, text)


def _confirm(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, err=True, abort=True)


def _print_differences(found: Sequence[Difference]) -> None:
    if not found:
        click.echo("No rule changes.")
    for path, before, after in found:
        click.echo(f"{path}: {before or 'not there'} -> {after or 'gone'}")


def _document(rule: Rule, chosen: Chosen) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(rule, order="deterministic")
    return {**document, "from": _origin(rule, chosen)}


def _origin(rule: Rule, chosen: Chosen) -> str:
    return "override" if rule.id in chosen.touched else "packaged"


def _lines(rule: Rule, chosen: Chosen) -> Iterator[tuple[str, ...]]:
    """Yield a line for a rule, or one for each of its limits."""
    staged, origin = "yes" if rule.staged else "", _origin(rule, chosen)
    if isinstance(rule, StaticLimit):
        for limit in rule.limits:
            named = f"{rule.id} {limit.metric}"
            levels = f"above {limit.above:g} {limit.unit}, clear below {limit.clear_below:g}"
            version = str(rule.version)
            yield named, limit.severity, version, staged, origin, levels, rule.runbook
        return
    plain: dict[str, Any] = msgspec.to_builtins(rule, order="deterministic")
    severity = str(plain.get("severity", ""))
    yield rule.id, severity, str(rule.version), staged, origin, _thresholds(plain), rule.runbook


def _thresholds(plain: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {_short(value)}"
        for name, value in plain.items()
        if name not in _TOLD_APART and value not in (None, [], {})
    )


def _short(value: Any) -> str:  # noqa: ANN401  a value of a rule
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return " ".join(f"{key}={_short(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_short(part) for part in value)
    return str(value)
