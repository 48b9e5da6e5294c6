"""The events on an event bus, and what a rule or a schedule makes of them for its targets.

Source: Amazon EventBridge User Guide, "Events", "Input transformation"; EventBridge Scheduler User
Guide, "Adding context attributes".
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.local.deployment import EventRule, EventTarget, InputTransformer, Schedule
from pipeline.local.semantics.schedule_expression import utc_text

DEFAULT_BUS: Final = "default"

TARGET_SERVICES: Final = ("lambda", "sns", "sqs")
"""What a rule or a schedule can send events to in the local run."""

_PATH_STEP = re.compile(r"\.([\w\-/]+)|\[(\d+|\*)\]")
_VARIABLE = re.compile(r"<([\w.\-]+)>")
_RESERVED: Final = (
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
)
_MISSING: Final = object()


class InputError(ValueError):
    """A target's input is none that EventBridge accepts."""


def custom_event(fact: Mapping[str, Any]) -> str:
    """Return the event of an accepted entry of PutEvents, from the journal's fact.

    It is text, because its detail stays as it was put: numbers keep their digits.
    """
    moment = fact["time"] if fact["event_time"] is None else float(fact["event_time"])
    envelope = {
        "version": "0",
        "id": fact["event_id"],
        "detail-type": fact["detail_type"],
        "source": fact["source"],
        "account": fact["account_id"],
        "time": utc_text(moment),
        "region": fact["region"],
        "resources": fact["resources"],
    }
    return f'{_json(envelope)[:-1]},"detail":{fact["detail"].strip()}}}'


def scheduled_event(rule_arn: str, moment: float, event_id: str) -> dict[str, Any]:
    """Return the event of a rule whose time has come."""
    _, _, _, region, account, _ = rule_arn.split(":", 5)
    return {
        "version": "0",
        "id": event_id,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": utc_text(moment),
        "region": region,
        "resources": [rule_arn],
        "detail": {},
    }


def schedule_input(schedule: Schedule, moment: float, execution_id: str) -> str:
    """Return what a schedule's target gets: its input, with the context attributes filled in.

    A schedule without an input sends an event whose detail is a text.
    """
    text = schedule.target.constant_input
    if text is None:
        event = scheduled_event(schedule.arn, moment, execution_id)
        return json.dumps({**event, "source": "aws.scheduler", "detail": "{}"})
    attributes = {
        "schedule-arn": schedule.arn,
        "scheduled-time": utc_text(moment),
        "execution-id": execution_id,
        "attempt-number": "1",
    }
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def target_input(text: str, rule: EventRule, target: EventTarget, received_at: float) -> str:
    """Return what a rule's target gets of an event; both are JSON texts."""
    if target.constant_input is not None:
        return target.constant_input
    event = json.loads(text)
    if target.input_path is not None:
        found = _extract(event, target.input_path)
        return _json({} if found is _MISSING else found)
    if target.transformer is not None:
        values: dict[str, object] = {
            "aws.events.rule-arn": rule.arn,
            "aws.events.rule-name": rule.name,
            "aws.events.event.ingestion-time": utc_text(received_at),
            "aws.events.event": {key: event[key] for key in event if key != "detail"},
            "aws.events.event.json": event,
        }
        for name, path in target.transformer.paths.items():
            values[name] = _extract(event, path)
        return _fill(target.transformer.template, values)
    return text


def check_input(target: EventTarget) -> None:
    """Check a target's paths and template.

    Raises:
        InputError: Names what is wrong.
    """
    paths = [*(target.transformer.paths.values() if target.transformer else ()), target.input_path]
    for path in paths:
        if path is not None:
            _steps(path)
    if target.constant_input is not None and not _is_json(target.constant_input):
        raise InputError(f"Invalid JSON in Input: {target.constant_input}")
    if target.transformer is not None:
        _check_template(target.transformer)


def _check_template(transformer: InputTransformer) -> None:
    for name in _VARIABLE.findall(transformer.template):
        if name not in _RESERVED and name not in transformer.paths:
            raise InputError(f"Invalid InputTemplate: {name} is not in InputPathsMap")
    for name in transformer.paths:
        if name.lower().startswith("aws."):
            raise InputError(f"InputPathsMap: {name} is a reserved name")
    sample = _fill(transformer.template, dict.fromkeys(transformer.paths, "x"))
    # Several lines are several texts, each in quotes.
    if not _is_json(sample) and not all(map(_is_json, sample.splitlines())):
        raise InputError(f"Invalid InputTemplate, it makes no JSON: {transformer.template}")


def _fill(template: str, values: Mapping[str, object]) -> str:
    """Put values into a template: inside quotes as plain text, elsewhere as JSON."""
    parts: list[str] = []
    is_quoted = False
    position = 0
    while position < len(template):
        variable = _VARIABLE.match(template, position)
        if variable is not None and (variable[1] in values or variable[1] in _RESERVED):
            value = values.get(variable[1], _MISSING)
            parts.append(_plain(value) if is_quoted else _json("" if value is _MISSING else value))
            position = variable.end()
            continue
        if template[position] == "\\" and is_quoted:
            parts.append(template[position : position + 2])
            position += 2
            continue
        is_quoted ^= template[position] == '"'
        parts.append(template[position])
        position += 1
    return "".join(parts)


def _plain(value: object) -> str:
    """Write a value inside a quoted text; EventBridge drops the quotes of JSON in it."""
    if value is _MISSING:
        return ""
    return value if isinstance(value, str) else _json(value).replace('"', "")


def _extract(event: object, path: str) -> object:
    """Follow a JSON path; a wildcard gives the list of all it meets."""
    found: object = event
    steps = _steps(path)
    for index, (name, number) in enumerate(steps):
        if number == "*":
            if not isinstance(found, list):
                return _MISSING
            rest = "$" + "".join(_step_text(*step) for step in steps[index + 1 :])
            each = [_extract(element, rest) for element in found]
            return [value for value in each if value is not _MISSING]
        if name:
            found = found.get(name, _MISSING) if isinstance(found, Mapping) else _MISSING
        elif isinstance(found, Sequence) and not isinstance(found, str):
            found = found[int(number)] if int(number) < len(found) else _MISSING
        else:
            return _MISSING
        if found is _MISSING:
            return _MISSING
    return found


def _steps(path: str) -> list[tuple[str, str]]:
    if path.startswith("$"):
        steps = _PATH_STEP.findall(path, 1)
        if "".join(_step_text(*step) for step in steps) == path[1:]:
            return [(str(name), str(number)) for name, number in steps]
    raise InputError(f"Invalid JSON path: {path}")


def _step_text(name: str, number: str) -> str:
    return f".{name}" if name else f"[{number}]"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
