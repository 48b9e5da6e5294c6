import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

import pipeline.detection
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.images import (
    hostile_images,
    hostile_since,
    hostile_until,
    unsafe_content,
)
from pipeline.detection.rules import default_rules
from pipeline.flows.uploads.ports import Label
from pipeline.images import FailedImage, Failure

EXAMPLES = Path(pipeline.detection.__path__[0]) / "examples"
START = datetime(2026, 3, 1, tzinfo=UTC)
RULES = default_rules()


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    confidence: float
    parent: str = ""


class UnsafeExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    labels: tuple[Seen, ...]
    expect: tuple[str, ...]


class Failures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at_s: float = 0.0
    every_s: float = 0.0
    times: int = 1


class HostileExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    failures: tuple[Failures, ...]
    expect: tuple[str, ...]


class UnsafeExamples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    example: tuple[UnsafeExample, ...]


class HostileExamples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    example: tuple[HostileExample, ...]


UNSAFE = msgspec.toml.decode(
    (EXAMPLES / "unsafe_content.toml").read_bytes(), type=UnsafeExamples
).example
HOSTILE = msgspec.toml.decode(
    (EXAMPLES / "hostile_images.toml").read_bytes(), type=HostileExamples
).example


def failed(number: int, at_s: float, failure: Failure = "broken") -> FailedImage:
    return FailedImage(
        job_id=f"job-{number:04}",
        user_id="u1",
        uploaded_at=START + timedelta(seconds=at_s),
        failure=failure,
    )


def failures_of(example: HostileExample) -> list[FailedImage]:
    moments = [part.at_s + n * part.every_s for part in example.failures for n in range(part.times)]
    return [failed(number, at_s) for number, at_s in enumerate(moments)]


def judged(known: Sequence[FailedImage], this: FailedImage) -> Sequence[Anomaly]:
    """Judge one failure as the flows do, who read the failures around it."""
    rule = RULES.hostile_images
    since, until = hostile_since(rule, this.uploaded_at), hostile_until(rule, this.uploaded_at)
    around = [one for one in known if since <= one.uploaded_at <= until]
    return hostile_images(rule, around, this)


def told(arrivals: Sequence[FailedImage]) -> dict[str, Anomaly]:
    """Take failures in as they arrive and return the facts that the table would hold."""
    table: dict[str, Anomaly] = {}
    for position, this in enumerate(arrivals):
        for fact in judged(arrivals[: position + 1], this):
            table.setdefault(fact.fact_key, fact)
    return table


def edges(facts: Sequence[Anomaly]) -> list[str]:
    ordered = sorted(facts, key=lambda fact: fact.occurred_at)
    return [f"{fact.edge} {fact.severity}" for fact in ordered]


@pytest.mark.parametrize("example", UNSAFE, ids=lambda example: example.name)
def test_unsafe_content_yields_exactly_the_facts_of_its_example(example: UnsafeExample) -> None:
    labels = [Label(seen.name, seen.confidence, seen.parent) for seen in example.labels]

    fact = unsafe_content(
        RULES.unsafe_content, labels, user_id="u1", job_id="job-1", uploaded_at=START
    )

    assert edges([fact] if fact else []) == list(example.expect)


@pytest.mark.parametrize("example", HOSTILE, ids=lambda example: example.name)
def test_hostile_images_yield_exactly_the_facts_of_their_example(example: HostileExample) -> None:
    facts = told(failures_of(example))

    assert edges(list(facts.values())) == list(example.expect)


@pytest.mark.parametrize("examples", [UNSAFE, HOSTILE], ids=["unsafe", "hostile"])
def test_each_rule_has_an_example_that_fires_and_one_that_does_not(
    examples: Sequence[UnsafeExample | HostileExample],
) -> None:
    outcomes = {bool(example.expect) for example in examples}

    assert outcomes == {True, False}


def test_a_failure_that_is_looked_at_twice_counts_once() -> None:
    four = [failed(number, 60 * number) for number in range(4)]

    facts = told([*four, *four])

    assert facts == {}


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_failures_are_looked_at_does_not_matter(seed: int) -> None:
    arrivals = [failed(number, 60 * number) for number in range(5)]
    random.Random(seed).shuffle(arrivals)

    facts = told(arrivals)

    assert list(facts) == ["2026-03-01T00:04:00.000000Z#job-0004#opened"]


def test_a_fact_says_what_was_wrong() -> None:
    known = [failed(n, 60 * n, "broken" if n % 2 else "not_an_image") for n in range(5)]

    (fact,) = judged(known, known[4])

    assert fact.title == "5 unreadable images uploaded within 24 h"
    assert fact.reasons == ("broken: 2 of 5", "not_an_image: 3 of 5")
    assert (fact.subject, fact.observed, fact.threshold) == ("u1", 5, 5)
