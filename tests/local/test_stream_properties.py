"""What holds of every shard, whatever the function, the arrivals, the policy and the crashes."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.local.semantics.stream_types import (
    Invoke,
    MappingPolicy,
    NotReached,
    Raised,
    Result,
    Returned,
    StreamRecord,
)
from tests.local.stream_harness import SUCCESS, StreamRun, failing, numbers, policy, record

MANY = settings(max_examples=150, deadline=None)


@dataclass
class Function:
    """Fails each record as often as it is told, by report or by raising, and is throttled a while.

    `done` are the records that it has seen in an invocation that did not fail them.
    """

    failures: dict[str, int]
    raises: bool
    throttles: list[bool]
    done: set[str] = field(default_factory=set)
    reached: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def __call__(self, invoke: Invoke) -> Result:
        if self.throttles and self.throttles.pop():
            return NotReached()
        batch = numbers(invoke.batch)
        self.reached[tuple(batch)] += 1
        bad = [number for number in batch if self.failures.get(number, 0) > 0]
        for number in bad:
            self.failures[number] -= 1
        if bad and self.raises:
            return Raised()
        self.done.update(set(batch) - set(bad))
        return failing(*bad) if bad else SUCCESS


@st.composite
def policies(draw: st.DrawFn, *, factor: int | None = None) -> MappingPolicy:
    retries = draw(st.integers(-1, 3))
    return policy(
        batch_size=draw(st.integers(1, 5)),
        window_s=draw(st.sampled_from([0, 0, 5])),
        retries=retries,
        age_s=draw(st.sampled_from([-1, 60, 300])),
        bisect=draw(st.booleans()),
        factor=factor or draw(st.integers(1, 4)),
        retention_s=86_400,
    )


@st.composite
def shards(draw: st.DrawFn) -> list[StreamRecord]:
    gaps = draw(st.lists(st.sampled_from([0, 0, 0, 1, 30]), max_size=25))
    return [
        record(
            number,
            arrived_at,
            is_filtered=draw(st.integers(0, 4)) == 0,
            key=draw(st.sampled_from("abcd")),
        )
        for number, arrived_at in enumerate(itertools.accumulate(gaps), start=1)
    ]


@st.composite
def functions(draw: st.DrawFn) -> Function:
    often = st.sampled_from([1, 1, 2, 3, 5, 10_000])
    return Function(
        failures=draw(st.dictionaries(st.integers(1, 25).map(str), often, max_size=6)),
        raises=draw(st.booleans()),
        throttles=draw(st.lists(st.booleans(), max_size=12)),
    )


durations = st.sampled_from([0.0, 0.5, 20.0])


def wanted(records: Iterable[StreamRecord]) -> set[str]:
    return {each.sequence_number for each in records if each.event is not None}


def given_up(run: StreamRun) -> list[str]:
    return [number for each in run.discards for number in each.numbers]


@MANY
@given(shards(), functions(), policies(), durations)
def test_each_record_ends_acknowledged_or_at_the_destination(
    records: list[StreamRecord], function: Function, settings: MappingPolicy, duration_s: float
) -> None:
    run = StreamRun(settings, records, function, lambda _: duration_s).run()

    lost = given_up(run)
    assert len(lost) == len(set(lost))
    assert function.done | set(lost) == wanted(records)
    assert run.shard.checkpoint == (records[-1].sequence_number if records else None)


@MANY
@given(shards(), functions(), policies(), durations)
def test_no_batch_is_invoked_more_often_than_the_budget_allows(
    records: list[StreamRecord], function: Function, settings: MappingPolicy, duration_s: float
) -> None:
    run = StreamRun(settings, records, function, lambda _: duration_s).run()

    budget = settings.maximum_retry_attempts + 1
    exhausted = [each for each in run.discards if each.condition == "RetryAttemptsExhausted"]
    if budget:
        assert max(function.reached.values(), default=0) <= budget
    for each in exhausted:
        assert each.invoke_count == budget == function.reached[tuple(each.numbers)]


@MANY
@given(shards(), functions(), policies(factor=1), durations)
def test_a_shard_is_delivered_in_order_the_first_time(
    records: list[StreamRecord], function: Function, settings: MappingPolicy, duration_s: float
) -> None:
    run = StreamRun(settings, records, function, lambda _: duration_s).run()

    first = list(dict.fromkeys(int(number) for batch in run.invoked for number in batch))
    assert first == sorted(first)
    assert all(one.ended_at <= two.started_at for one, two in itertools.pairwise(run.invocations))


@MANY
@given(shards(), functions(), policies(), durations)
def test_a_key_is_delivered_in_order_the_first_time_and_never_twice_at_once(
    records: list[StreamRecord], function: Function, settings: MappingPolicy, duration_s: float
) -> None:
    run = StreamRun(settings, records, function, lambda _: duration_s).run()

    for key in "abcd":
        mine = [one for one in run.invocations if key in {each.key for each in one.batch.records}]
        seen = [int(r.sequence_number) for one in mine for r in one.batch.records if r.key == key]
        first = list(dict.fromkeys(seen))
        assert first == sorted(first)
        assert all(one.ended_at <= two.started_at for one, two in itertools.pairwise(mine))
    for one in run.invocations:
        at_once = sum(a.started_at <= one.started_at < a.ended_at for a in run.invocations)
        assert at_once <= settings.parallelization_factor


@MANY
@given(shards(), functions(), policies(), durations)
def test_the_checkpoint_never_goes_back_and_never_passes_an_unsettled_record(
    records: list[StreamRecord], function: Function, settings: MappingPolicy, duration_s: float
) -> None:
    run = StreamRun(settings, records, function, lambda _: duration_s)
    moments = range(0, 1_000, 10)

    for moment in moments:
        run.run(moment)
        settled = function.done | set(given_up(run))
        passed = {n for n in wanted(records) if int(n) <= int(run.shard.checkpoint or 0)}
        assert passed <= settled

    moves = [int(checkpoint or 0) for checkpoint in run.checkpoints]
    assert moves == sorted(moves)


@MANY
@given(shards(), functions(), policies(), durations, st.lists(st.integers(0, 200), max_size=5))
def test_a_machine_that_is_killed_at_any_time_loses_nothing(
    records: list[StreamRecord],
    function: Function,
    settings: MappingPolicy,
    duration_s: float,
    kills: list[int],
) -> None:
    run = StreamRun(settings, records, function, lambda _: duration_s)

    for moment in sorted(kills):
        run.run(moment)
        run.kill()
    run.run()

    assert function.done | set(given_up(run)) == wanted(records)
    moves = [int(checkpoint or 0) for checkpoint in run.checkpoints]
    assert moves == sorted(moves)


@MANY
@given(st.integers(1, 40), st.integers(1, 40), st.sets(st.integers(1, 40)), st.integers(0, 3))
def test_bisection_ends_and_gives_up_the_poison_alone(
    count: int, batch_size: int, poison: set[int], retries: int
) -> None:
    def handler(invoke: Invoke) -> Result:
        is_bad = any(int(number) in poison for number in numbers(invoke.batch))
        return Raised() if is_bad else SUCCESS

    records = [record(number) for number in range(1, count + 1)]
    settings = policy(batch_size=batch_size, retries=retries, bisect=True)
    run = StreamRun(settings, records, handler).run()

    found = [str(number) for number in sorted(poison) if number <= count]
    assert [each.numbers for each in run.discards] == [[number] for number in found]
    assert {each.invoke_count for each in run.discards} <= {retries + 1}


@MANY
@given(
    st.lists(st.sampled_from([0, 0, 1, 20, 70, 400]), min_size=1, max_size=25),
    st.lists(st.sampled_from(["raise", "throttle", "no state", "go"]), max_size=20),
    st.integers(1, 5),
    st.lists(st.integers(0, 500), max_size=3),
)
def test_each_record_is_in_the_result_of_its_window(
    gaps: list[int], mishaps: list[str], batch_size: int, kills: list[int]
) -> None:
    records = [record(n, at) for n, at in enumerate(itertools.accumulate(gaps), start=1)]
    results: list[tuple[float, list[str]]] = []

    def handler(invoke: Invoke) -> Result:
        outcomes: dict[str, Result] = {
            "raise": Raised(),
            "throttle": NotReached(),
            "no state": Returned(b"{}"),
        }
        mishap = mishaps.pop() if mishaps else "go"
        if mishap in outcomes:
            return outcomes[mishap]
        assert invoke.window is not None
        seen = json.loads(invoke.window.state).get("seen", []) + numbers(invoke.batch)
        if invoke.window.is_final:
            results.append((invoke.window.start, seen))
        return Returned(json.dumps({"state": {"seen": seen}}).encode())

    run = StreamRun(policy(tumbling_s=60, batch_size=batch_size), records, handler)
    for moment in sorted(kills):
        run.run(moment)
        run.kill()
    run.run()

    expected: dict[float, list[str]] = {}
    for each in records:
        expected.setdefault(each.arrived_at // 60 * 60, []).append(each.sequence_number)
    assert results == sorted(expected.items())


def test_a_day_of_retries_takes_no_time() -> None:
    run = StreamRun(policy(retention_s=86_400), [record(1)], lambda _: Raised()).run()

    assert run.now >= 86_400
    assert len(run.invocations) < 11_000
