"""What a look at the pipeline tells, from one minute to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.heartbeats import Beat, Heartbeats
from pipeline.detection.rules import default_rules
from pipeline.flows.alerts.checkup import STATE_KEY, Checkup, CheckupReport
from pipeline.flows.alerts.checkup_ports import RulesFault, Tail
from pipeline.flows.users.ports import StateChange, Versioned
from pipeline.ports import Cursor, RemainingTime, StateKey

RULES = default_rules().health
NOON = datetime(2026, 9, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
END = Tail(None, is_end=True)


@dataclass
class Pipeline:
    """A pipeline to be looked at: what it notes of itself, what waits, and the facts told."""

    shards: dict[str, Cursor] = field(default_factory=dict)
    tails: dict[str, Tail] = field(default_factory=dict)
    beats: list[Heartbeats] = field(default_factory=list)
    queues: dict[str, int] = field(default_factory=dict)
    rule_faults: list[RulesFault] = field(default_factory=list)
    facts: list[Anomaly] = field(default_factory=list)
    row: Versioned | None = None
    asked: list[str] = field(default_factory=list)
    is_overtaken: bool = False

    def cursors(self) -> Mapping[str, Cursor]:
        return self.shards

    def states(self, _detector: str, _subjects: Sequence[str]) -> Sequence[bytes]:
        return [msgspec.msgpack.encode(state) for state in self.beats]

    def behind(self, shard_id: str, _applied: int) -> Tail:
        self.asked.append(shard_id)
        return self.tails[shard_id]

    def faults(self) -> Sequence[RulesFault]:
        return self.rule_faults

    def depths(self) -> Mapping[str, int]:
        return self.queues

    def read(
        self, keys: Sequence[StateKey], _remaining_s: RemainingTime
    ) -> Mapping[StateKey, Versioned]:
        return {key: self.row for key in keys if self.row}

    def write(self, changes: Mapping[StateKey, StateChange]) -> Sequence[StateKey]:
        if self.is_overtaken:
            return list(changes)
        change = changes[STATE_KEY]
        assert change.replaces == (self.row.version if self.row else 0)
        self.row = Versioned(change.state, change.replaces + 1)
        self.facts.extend(change.anomalies)
        return []

    def look(self, now: datetime) -> CheckupReport:
        checkup = Checkup(self, self, self, self, RULES, self)
        return checkup.look(now, lambda: 30.0)

    def told(self) -> list[str]:
        """Return what was told since the last time."""
        told = [f"{fact.edge} {fact.severity} {fact.subject}" for fact in self.facts]
        self.facts.clear()
        return told


def processed_up_to(moment: datetime, **more: object) -> Cursor:
    return msgspec.structs.replace(Cursor(applied=7, arrived_at=moment.timestamp()), **more)


def regular(name: str, last: datetime) -> Beat:
    return Beat(name, int(last.timestamp()), 60.0, 50)


def test_a_healthy_pipeline_is_told_of_nothing_and_writes_nothing() -> None:
    pipeline = Pipeline(
        shards={"s-0": processed_up_to(NOON)},
        beats=[Heartbeats((regular("source web-7", NOON),))],
        queues={"jobs-dead": 0},
    )

    report = pipeline.look(NOON + timedelta(seconds=30))

    assert report == CheckupReport(shards=1, lag_s=0.0, sources=1, dead_letters=0, open=0, facts=0)
    assert (pipeline.row, pipeline.asked) == (None, [])


def test_a_source_is_told_silent_once_and_cleared_when_it_is_back() -> None:
    pipeline = Pipeline(beats=[Heartbeats((regular("source web-7", NOON),))])

    told = []
    for minutes in range(1, 12):
        pipeline.shards = {"s-0": processed_up_to(NOON + minutes * MINUTE)}
        if minutes == 9:
            pipeline.beats = [Heartbeats((regular("source web-7", NOON + 9 * MINUTE),))]
        pipeline.look(NOON + minutes * MINUTE)
        told += [f"{minutes} min: {fact}" for fact in pipeline.told()]

    assert told == [
        "6 min: opened medium source web-7",
        "9 min: cleared medium source web-7",
    ]


def test_the_facts_of_a_silence_say_when_it_began_and_ended() -> None:
    pipeline = Pipeline(
        shards={"s-0": processed_up_to(NOON + 6 * MINUTE)},
        beats=[Heartbeats((regular("source web-7", NOON),))],
    )

    pipeline.look(NOON + 6 * MINUTE)
    pipeline.beats = [Heartbeats((regular("source web-7", NOON + 7 * MINUTE),))]
    pipeline.shards = {"s-0": processed_up_to(NOON + 8 * MINUTE)}
    pipeline.look(NOON + 8 * MINUTE)

    opened, cleared = pipeline.facts
    assert (opened.opened_at, opened.occurred_at) == (NOON, NOON + 6 * MINUTE)
    assert (cleared.opened_at, cleared.occurred_at) == (NOON, NOON + 7 * MINUTE)
    assert (opened.source, opened.labels) == ("web-7", {"source": "web-7"})
    assert opened.reasons == (
        "last heard about 2026-09-21 12:00:00 UTC",
        "it usually pauses for 0:01:00 at the most",
        "everything up to 12:06:00 UTC has been processed",
    )


def test_a_lagging_flow_pages_once_and_no_source_behind_it() -> None:
    waits = Tail(NOON + timedelta(seconds=2), is_end=False)
    pipeline = Pipeline(
        shards={"s-0": processed_up_to(NOON), "s-1": processed_up_to(NOON + 20 * MINUTE)},
        tails={"s-0": waits},
        beats=[Heartbeats(tuple(regular(f"source web-{n}", NOON) for n in range(20)))],
    )

    for minutes in range(1, 21):
        pipeline.look(NOON + minutes * MINUTE)

    assert pipeline.told() == ["opened high kinesis_events"]


def test_a_flow_that_has_caught_up_clears_and_then_silence_counts() -> None:
    waits = Tail(NOON + timedelta(seconds=2), is_end=False)
    pipeline = Pipeline(
        shards={"s-0": processed_up_to(NOON)},
        tails={"s-0": waits},
        beats=[Heartbeats((regular("source web-7", NOON), regular("source web-8", NOON)))],
    )
    pipeline.look(NOON + 20 * MINUTE)
    pipeline.told()

    pipeline.shards = {"s-0": processed_up_to(NOON + 20 * MINUTE)}
    pipeline.beats.append(Heartbeats((regular("source web-7", NOON + 20 * MINUTE),)))
    pipeline.look(NOON + 21 * MINUTE)

    assert pipeline.told() == ["cleared high kinesis_events", "opened medium source web-8"]


def test_the_only_source_of_a_quiet_shard_is_missed() -> None:
    pipeline = Pipeline(
        shards={"s-0": processed_up_to(NOON)},
        tails={"s-0": END},
        beats=[Heartbeats((regular("source web-7", NOON),))],
    )

    report = pipeline.look(NOON + 6 * MINUTE)

    assert pipeline.told() == ["opened medium source web-7"]
    assert (report.lag_s, pipeline.asked) == (0.0, ["s-0"])


def test_a_record_that_has_just_arrived_after_a_quiet_hour_is_no_lag() -> None:
    just_now = Tail(NOON + 60 * MINUTE - timedelta(seconds=2), is_end=False)
    pipeline = Pipeline(shards={"s-0": processed_up_to(NOON)}, tails={"s-0": just_now})

    report = pipeline.look(NOON + 60 * MINUTE)

    assert (pipeline.told(), report.lag_s) == ([], 2.0)


def test_an_end_that_was_not_found_says_nothing() -> None:
    pipeline = Pipeline(
        shards={"s-0": processed_up_to(NOON)},
        tails={"s-0": Tail(None, is_end=False)},
        beats=[Heartbeats((regular("source web-7", NOON),))],
    )

    pipeline.look(NOON + 60 * MINUTE)

    assert pipeline.told() == []


def test_a_shard_that_was_split_holds_nobody_back() -> None:
    now = NOON + 30 * MINUTE
    pipeline = Pipeline(
        shards={
            "parent": processed_up_to(NOON),
            "child": processed_up_to(now, ancestors=("parent",)),
        },
        beats=[
            Heartbeats((regular("source web-7", NOON), regular("source web-8", NOON))),
            Heartbeats((regular("source web-7", now), regular("source web-8", NOON))),
        ],
    )

    pipeline.look(now)

    assert (pipeline.told(), pipeline.asked) == (["opened medium source web-8"], [])


def test_a_source_that_is_no_longer_remembered_is_not_missed_for_ever() -> None:
    pipeline = Pipeline(
        shards={"s-0": processed_up_to(NOON + 6 * MINUTE)},
        beats=[Heartbeats((regular("source web-7", NOON),))],
    )
    pipeline.look(NOON + 6 * MINUTE)
    pipeline.told()

    days_later = NOON + timedelta(days=3, minutes=1)
    pipeline.shards = {"s-0": processed_up_to(days_later)}
    pipeline.look(days_later)
    first = pipeline.told()
    pipeline.look(days_later + MINUTE)

    assert (first, pipeline.told()) == (["cleared medium source web-7"], [])


def test_a_long_silence_rises_in_severity_once() -> None:
    pipeline = Pipeline(beats=[Heartbeats((regular("source web-7", NOON),))])

    for minutes in range(1, 100):
        pipeline.shards = {"s-0": processed_up_to(NOON + minutes * MINUTE)}
        pipeline.look(NOON + minutes * MINUTE)

    assert pipeline.told() == [
        "opened medium source web-7",
        "escalated high source web-7",
    ]


def test_dead_letters_are_told_when_they_appear_grow_and_are_gone() -> None:
    pipeline = Pipeline()

    for minute, depth in enumerate([0, 3, 4, 30, 150, 150, 0, 0]):
        pipeline.queues = {"jobs-dead": depth, "other-dead": 0}
        pipeline.look(NOON + minute * MINUTE)

    assert pipeline.told() == [
        "opened medium jobs-dead",
        "escalated medium jobs-dead",
        "escalated high jobs-dead",
        "cleared high jobs-dead",
    ]


def test_ten_thousand_silent_sources_cost_a_bounded_number_of_facts_a_minute() -> None:
    pipeline = Pipeline(
        shards={"s-0": processed_up_to(NOON + 6 * MINUTE)},
        beats=[Heartbeats(tuple(regular(f"source web-{n}", NOON) for n in range(10_000)))],
    )

    first = pipeline.look(NOON + 6 * MINUTE)
    for _ in range(60):
        last = pipeline.look(NOON + 6 * MINUTE)

    assert (first.facts, first.open) == (40, 40)
    assert (last.facts, last.open) == (0, 2000)


def test_of_two_looks_at_once_one_tells() -> None:
    pipeline = Pipeline(queues={"jobs-dead": 1}, is_overtaken=True)

    report = pipeline.look(NOON)

    assert (report.is_lost, report.facts, pipeline.told()) == (True, 0, [])


def test_before_the_first_event_nothing_is_missed() -> None:
    pipeline = Pipeline(beats=[Heartbeats((regular("source web-7", NOON),))])

    report = pipeline.look(NOON + timedelta(days=1))

    assert (report.shards, pipeline.told()) == (0, [])


def test_an_invalid_version_of_the_rules_is_told_once_and_cleared_by_one_that_is_valid() -> None:
    pipeline = Pipeline(rule_faults=[RulesFault("/s/rules", 3, "no such field at `$.x`")])

    pipeline.look(NOON)
    (fact,) = pipeline.facts
    told = [pipeline.told()]
    for faults in ([RulesFault("/s/rules", 3, "the same")], [RulesFault("/s/rules", 4, "y")], []):
        pipeline.rule_faults = faults
        pipeline.look(NOON + MINUTE)
        told.append(pipeline.told())

    assert fact.reasons == ("no such field at `$.x`",)
    assert fact.labels == {"parameter": "/s/rules", "parameter_version": "3"}
    assert told == [
        ["opened high /s/rules:3"],
        [],
        ["opened high /s/rules:4", "cleared high /s/rules:3"],
        ["cleared high /s/rules:4"],
    ]
