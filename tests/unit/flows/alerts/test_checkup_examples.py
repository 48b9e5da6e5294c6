"""The rules about the pipeline itself, by example: what must and what must not be told."""

from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

import pipeline.detection
from pipeline.detection import drift, heartbeats
from pipeline.detection.overrides import overridden
from pipeline.detection.rules import RulesError, default_rules
from pipeline.events import decode
from pipeline.flows.alerts.checkup_ports import RulesFault, Tail
from tests.unit.flows.alerts.test_checkup import NOON, Pipeline, processed_up_to

EXAMPLES = Path(pipeline.detection.__path__[0]) / "examples"
HEALTH = default_rules().health
MINUTE = timedelta(minutes=1)


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    producer: str
    fields: tuple[str, ...] = ()


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from"}):
    start: int
    to: int
    every: int


class DriftExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    sends: tuple[Sent, ...]
    expect: tuple[str, ...]


class SilenceExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    heard: tuple[Span, ...]
    until: int
    expect: tuple[str, ...]


class LagExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    waits: tuple[int, ...]
    expect: tuple[str, ...]


class DepthExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    depths: tuple[int, ...]
    expect: tuple[str, ...]


class OverrideExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    versions: tuple[str, ...]
    expect: tuple[str, ...]


ExampleT = TypeVar(
    "ExampleT", DriftExample, SilenceExample, LagExample, DepthExample, OverrideExample
)


def examples(rule_id: str, kind: type[ExampleT]) -> tuple[ExampleT, ...]:
    text = (EXAMPLES / f"{rule_id}.toml").read_text("utf-8")
    found: tuple[ExampleT, ...] = msgspec.convert(
        msgspec.toml.decode(text)["example"],
        type=tuple[kind, ...],  # type: ignore[valid-type]  # msgspec takes types as values
    )
    assert {bool(example.expect) for example in found} == {True, False}
    return found


def named(example: object) -> str:
    return str(getattr(example, "name", example))


@pytest.mark.parametrize("example", examples("pipeline_schema_drift", DriftExample), ids=named)
def test_new_fields(example: DriftExample) -> None:
    state, told = drift.Drift(), []

    for number, sent in enumerate(example.sends):
        event = {
            "event_type": "user_activity",
            "user_id": "u-1",
            "activity_type": "page_view",
            "timestamp": "2026-09-21T12:00:00Z",
            "producer": sent.producer,
        }
        payload = msgspec.json.encode(event | dict.fromkeys(sent.fields, 1))
        decoded = decode(payload)
        fields = drift.unknown_fields(payload, decoded)
        state, facts = drift.fold(
            HEALTH.pipeline_schema_drift, state, fields, decoded, f"e-{number}", NOON.timestamp()
        )
        told += [" ".join(reason.split()[1] for reason in fact.reasons) for fact in facts]

    assert sorted(told) == sorted(example.expect)


@pytest.mark.parametrize("example", examples("pipeline_silent_source", SilenceExample), ids=named)
def test_silences(example: SilenceExample) -> None:
    heard = {
        minute for span in example.heard for minute in range(span.start, span.to + 1, span.every)
    }
    pipeline, told, state = Pipeline(), [], heartbeats.NONE

    for minute in range(example.until + 1):
        now = NOON + minute * MINUTE
        if minute in heard:
            state = heartbeats.heard(
                state, "source web-7", now.timestamp(), HEALTH.pipeline_silent_source.beats
            )
        pipeline.shards, pipeline.beats = {"s-0": processed_up_to(now)}, [state]
        pipeline.look(now)
        told += [f"{minute} {fact.edge} {fact.severity}" for fact in pipeline.facts]
        pipeline.facts.clear()

    assert told == list(example.expect)


@pytest.mark.parametrize("example", examples("pipeline_behind", LagExample), ids=named)
def test_lags(example: LagExample) -> None:
    pipeline = Pipeline(shards={"s-0": processed_up_to(NOON)})

    for minute, wait_s in enumerate(example.waits, 60):
        now = NOON + minute * MINUTE
        pipeline.tails = {"s-0": Tail(now - timedelta(seconds=wait_s), is_end=False)}
        pipeline.look(now)

    assert [f"{fact.edge} {fact.severity}" for fact in pipeline.facts] == list(example.expect)


@pytest.mark.parametrize("example", examples("pipeline_dead_letters", DepthExample), ids=named)
def test_dead_letters(example: DepthExample) -> None:
    pipeline = Pipeline()

    for minute, depth in enumerate(example.depths):
        pipeline.queues = {"jobs-dead": depth}
        pipeline.look(NOON + minute * MINUTE)

    assert [f"{fact.edge} {fact.severity}" for fact in pipeline.facts] == list(example.expect)


@pytest.mark.parametrize("example", examples("pipeline_rules_invalid", OverrideExample), ids=named)
def test_overrides(example: OverrideExample) -> None:
    pipeline = Pipeline()

    for version, text in enumerate(example.versions, 1):
        pipeline.rule_faults = faults_of(text, version)
        pipeline.look(NOON + version * MINUTE)

    assert [f"{fact.edge} {fact.severity}" for fact in pipeline.facts] == list(example.expect)


def faults_of(text: str, version: int) -> list[RulesFault]:
    try:
        overridden(text)
    except RulesError as error:
        return [RulesFault("/stack/rules", version, str(error))]
    return []
