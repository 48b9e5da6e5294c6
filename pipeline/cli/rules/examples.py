"""The examples beside the rules, run under any rules: what must fire and what must not."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from pipeline.cli.lake.events import LakeEvent
from pipeline.cli.rules.shadow import Detection
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.health import refused_records
from pipeline.detection.kpis import drifts
from pipeline.detection.record_tally import RecordTally
from pipeline.detection.rules import Rules
from pipeline.detection.signups import change_detectors
from pipeline.events import decode
from pipeline.users import User, UserChange

_START: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)  # a Monday

ELSEWHERE: Final = frozenset(
    {
        *("hostile_images", "unsafe_content"),
        *("pipeline_behind", "pipeline_dead_letters", "pipeline_rules_invalid"),
        *("pipeline_schema_drift", "pipeline_silent_source", "pipeline_stray_key"),
    }
)
"""Rules whose examples need more of their flow than a fold; the project's own tests run them."""

WITHOUT_EXAMPLES: Final = frozenset(
    {
        *("pipeline_fact_defect", "pipeline_poison_record", "pipeline_query_failed"),
        *("pipeline_record_defect", "pipeline_user_refused", "storm_digest"),
    }
)
"""Rules that tell what became of the pipeline's own work: they have no level, and no event that
somebody could put shows them. docs/detection.md says what each waits for instead."""


class Outcome(NamedTuple):
    """What an example must yield and does: edges with their severity."""

    rule_id: str
    example: str
    expected: tuple[str, ...]
    found: tuple[str, ...]

    @property
    def is_met(self) -> bool:
        """Whether the rule does what the example says."""
        return self.expected == self.found


def outcomes(rule_id: str, rules: Rules) -> list[Outcome]:
    """Run the examples of a rule, of one `ELSEWHERE` or `WITHOUT_EXAMPLES` none."""
    if rule_id in ELSEWHERE | WITHOUT_EXAMPLES:
        return []
    path = files("pipeline.detection").joinpath(f"examples/{rule_id}.toml")
    parsed: dict[str, Any] = msgspec.toml.decode(path.read_text("utf-8"))
    return [_outcome(rule_id, example, rules) for example in parsed["example"]]


def _outcome(rule_id: str, example: Mapping[str, Any], rules: Rules) -> Outcome:
    facts = _PLAYERS[_form(example)](example, rules)
    found = tuple(f"{one.edge} {one.severity}" for one in facts if one.rule_id == rule_id)
    return Outcome(rule_id, example["name"], tuple(example["expect"]), found)


def _form(example: Mapping[str, Any]) -> str:
    if "sends" in example:
        return "events" if "event" in example["sends"][0] else "changes"
    return next(form for form in ("segments", "batches", "days") if form in example)


def _series(example: Mapping[str, Any], rules: Rules) -> Iterator[Anomaly]:
    values = [v for part in example["segments"] for v in part["values"] * part.get("times", 1)]
    unit = {"unit": example["unit"]} if "unit" in example else {}
    fields = {"event_type": "system_metric", "metric_name": example["metric"], "source": "web-7"}
    lines = [
        fields | unit | {"value": float(value), "timestamp": _moment(i * example["every_s"])}
        for i, value in enumerate(values)
    ]
    return Detection(rules).facts(map(_event, lines, (f"event-{i}" for i in range(len(lines)))))


def _events(example: Mapping[str, Any], rules: Rules) -> Iterator[Anomaly]:
    return Detection(rules).facts(
        _event(send["event"] | {"timestamp": _moment(at_s)}, f"event-{number}-{i}", str(i))
        for number, send, i, at_s in _sends(example)
    )


def _changes(example: Mapping[str, Any], rules: Rules) -> Iterator[Anomaly]:
    detectors, states = change_detectors(rules), dict[tuple[str, str], Any]()
    for number, send, i, at_s in _sends(example):
        change = _change(send, i, f"{number}-{i}", at_s)
        for detector in detectors:
            subject = detector.subject(change)
            if subject is not None:
                key = (detector.name, subject)
                before = states[key] if key in states else detector.initial()
                states[key], facts = detector.fold(before, change)
                yield from facts


def _days(example: Mapping[str, Any], rules: Rules) -> Iterator[Anomaly]:
    first = date(2026, 3, 2)
    figures = {
        first + timedelta(days=i): {"users": float(figure)}
        for i, figure in enumerate(example["days"])
    }
    last = max(figures)
    today = figures.pop(last)
    return iter(drifts(rules.kpi_drift, "daily", last, today, figures))


def _batches(example: Mapping[str, Any], rules: Rules) -> Iterator[Anomaly]:
    health, window = rules.health, RecordTally()
    sizes = [one for one in example["batches"] for _ in range(one.get("times", 1))]
    for number, size in enumerate(sizes):
        arrived_at = _START.timestamp() + number * example["every_s"]
        batch = RecordTally(0, size["records"], size["refused"])
        window_s = health.pipeline_refused_records.window_s
        window = window.plus(batch.records, batch.refused, arrived_at, window_s)
        fact = refused_records(health, "shard-0", arrived_at, batch, window, "an example")
        yield from [fact] if fact else []


_PLAYERS: Final[Mapping[str, Callable[[Mapping[str, Any], Rules], Iterator[Anomaly]]]] = (
    MappingProxyType(
        {
            "events": _events,
            "changes": _changes,
            "segments": _series,
            "batches": _batches,
            "days": _days,
        }
    )
)


def _sends(example: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any], int, float]]:
    for number, send in enumerate(example["sends"]):
        for i in range(send.get("times", 1)):
            yield number, send, i, send.get("at_s", 0.0) + i * send.get("every_s", 0.0)


def _moment(at_s: float) -> str:
    return (_START + timedelta(seconds=at_s)).isoformat()


def _event(fields: Mapping[str, Any], event_id: str, number: str = "") -> LakeEvent:
    line = msgspec.json.encode(fields).replace(b"{i}", number.encode())
    event = decode(line)
    own = event_id if event.event_id is UNSET else event.event_id
    return LakeEvent("examples", 0, event.timestamp, own, event, line)


def _change(send: Mapping[str, Any], i: int, own_id: str, at_s: float) -> UserChange:
    user_id = send.get("user", "u1").replace("{i}", str(i))
    change_id = send.get("id") or own_id

    def user(fields: Mapping[str, str]) -> User:
        told = {name: text.replace("{i}", str(i)) for name, text in fields.items()}
        return msgspec.convert({"user_id": user_id, "email": f"{user_id}@example.com"} | told, User)

    kind = send["kind"]
    return UserChange(
        change_id=f"change-{change_id}",
        sequence=f"{change_id:0>40}",
        kind=kind,
        user_id=user_id,
        timestamp=_START + timedelta(seconds=at_s),
        before=user(send.get("was", {})) if kind == "MODIFY" else None,
        after=None if kind == "REMOVE" else user(send.get("is", {})),
        by_ttl=send.get("by_ttl", False),
    )
