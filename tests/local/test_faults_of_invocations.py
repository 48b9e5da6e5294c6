"""Injected faults of invocations, on real worker processes."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from pipeline.local.deployment import Function
from pipeline.local.execution.faults import MAX_SKEW_S, FaultKind, InvocationFaults
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.execution.workers import FunctionWorkers
from pipeline.local.faults import FaultPlan
from tests.local.staged import staged_function

OFTEN = 0.1
"""A rate at which invocations meet the most faults."""

WORKING = """
    import time
    def handler(event, context):
        print("begun")
        time.sleep(event)
        print("done")
        return "answer"
"""


class Run:
    """Workers with faults, and what they called back."""

    def __init__(self, function: Function, directory: Path, plan: FaultPlan) -> None:
        self.faults = InvocationFaults(plan, function.logical_id)
        self.lines: list[str] = []
        self.failures: list[FunctionError] = []
        self.told: list[str] = []
        self.workers = FunctionWorkers(
            function,
            aws_environment={},
            directory=directory,
            on_log=lambda _, line: self.lines.append(line),
            on_failure=lambda _, error, tail: self.failures.append(error),  # noqa: ARG005
            on_fault=lambda _, kind: self.told.append(kind),
            faults=self.faults,
        )

    def invoke(self, event: object) -> Outcome:
        return self.workers.invoke(json.dumps(event).encode())


Start = Callable[[str, FaultPlan], Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def start_run(source: str, plan: FaultPlan) -> Run:
        function = staged_function(tmp_path / "code", source, reserved_concurrency=1)
        runs.append(Run(function, tmp_path, plan))
        return runs[-1]

    yield start_run
    for run in runs:
        run.workers.close()


def beginning_with(kind: FaultKind) -> FaultPlan:
    """Return a plan by which the first invocation meets the fault."""
    for seed in count():
        plan = FaultPlan(seed, OFTEN)
        first = InvocationFaults(plan, "Greeter").next_invocation()
        if first and first.kind == kind and first.moment > 0.1:
            return plan
    raise AssertionError


def test_a_throttled_invocation_does_not_reach_the_function(start: Start) -> None:
    run = start(WORKING, beginning_with("throttled"))

    outcome = run.invoke(0)

    assert outcome == Throttled()
    assert run.workers.counters.invocations == 0
    assert run.workers.pids == ()
    assert run.faults.counts() == {"throttled": 1}
    assert run.told == ["throttled"]


def test_a_lost_answer_hides_that_the_function_has_succeeded(start: Start) -> None:
    run = start(WORKING, beginning_with("answer lost"))

    outcome = run.invoke(0)
    run.workers.close()

    assert outcome == Throttled()
    assert run.workers.counters.errors == 0
    assert run.lines == ["begun", "done"]
    assert run.faults.counts() == {"answer lost": 1, "skewed clock": 1}


def test_a_failure_of_its_own_is_not_hidden_by_a_lost_answer(start: Start) -> None:
    run = start("def handler(event, context): raise KeyError", beginning_with("answer lost"))

    outcome = run.invoke(0)

    assert isinstance(outcome, FunctionError)
    assert not outcome.is_injected
    assert run.failures == [outcome]
    assert "answer lost" not in run.faults.counts()


def test_a_crash_kills_the_worker_in_mid_invocation(start: Start) -> None:
    run = start(WORKING, beginning_with("crash"))

    outcome = run.invoke(30)
    pids = run.workers.pids
    run.workers.close()

    assert isinstance(outcome, FunctionError)
    assert (outcome.kind, outcome.is_injected) == ("crash", True)
    assert outcome.message.endswith("Runtime exited with error: signal: SIGKILL")
    assert "done" not in run.lines
    assert pids == ()
    assert run.told == ["crash"]
    assert run.failures == []


def test_a_timeout_suspends_the_worker_and_ends_before_the_functions_own(
    start: Start,
) -> None:
    run = start(WORKING, beginning_with("timeout"))

    outcome = run.invoke(30)
    run.workers.close()

    assert isinstance(outcome, FunctionError)
    assert (outcome.kind, outcome.is_injected) == ("timeout", True)
    assert outcome.message.endswith("Task timed out after 10.00 seconds")
    assert "done" not in run.lines
    assert run.workers.pids == ()


def test_an_invocation_that_has_ended_by_then_meets_no_fault(start: Start) -> None:
    run = start(
        """
        import time
        time.sleep(0.5)
        def handler(event, context): return "answer"
        """,
        beginning_with("crash"),
    )
    run.workers._counters = run.workers.counters.__class__(invocations=1, duration_s=60.0)

    outcome = run.invoke(0)

    assert isinstance(outcome, Success)
    assert run.faults.counts() == {"skewed clock": 1}


def test_the_same_plan_chooses_the_same_faults_and_another_seed_does_not() -> None:
    def chosen(plan: FaultPlan, function: str) -> list[object]:
        faults = InvocationFaults(plan, function)
        return [faults.next_invocation() for _ in range(50)] + [faults.next_skew_s()]

    once = chosen(FaultPlan(7, 0.02), "Greeter")

    assert chosen(FaultPlan(7, 0.02), "Greeter") == once
    assert chosen(FaultPlan(8, 0.02), "Greeter") != once
    assert chosen(FaultPlan(7, 0.02), "Other") != once


def test_the_rate_is_ten_times_as_high_for_invocations_and_all_kinds_occur() -> None:
    faults = InvocationFaults(FaultPlan(7, 0.02), "Greeter")

    chosen = [fault.kind for _ in range(5000) if (fault := faults.next_invocation())]

    assert 900 < len(chosen) < 1100
    assert set(chosen) == {"throttled", "answer lost", "crash", "timeout"}


def test_without_a_rate_nothing_happens() -> None:
    faults = InvocationFaults(FaultPlan(7, 0.0), "Greeter")

    assert [faults.next_invocation() for _ in range(50)] == [None] * 50
    assert faults.counts() == {}


CLOCKS = """
    import datetime, time
    LOADED = time.time()
    def handler(event, context):
        return {
            "loaded": LOADED,
            "time": time.time(),
            "datetime": datetime.datetime.now(datetime.UTC).timestamp(),
            "monotonic": time.monotonic(),
            "remaining": context.get_remaining_time_in_millis(),
            "environment": "LOCAL_RUN_CLOCK_SKEW_S" in __import__("os").environ,
        }
"""


def test_a_workers_clock_is_skewed_before_its_module_is_loaded_but_not_its_deadline(
    start: Start,
) -> None:
    plan = FaultPlan(7, 0.0)
    skew_s = InvocationFaults(plan, "Greeter").next_skew_s()
    run = start(CLOCKS, plan)

    before = time.time(), time.monotonic()  # noqa: TID251  held against the worker's
    outcome = run.invoke({})
    after = time.time(), time.monotonic()  # noqa: TID251  held against the worker's

    assert isinstance(outcome, Success)
    clocks = json.loads(outcome.payload)
    assert 0.1 < abs(skew_s) <= MAX_SKEW_S
    for name in ("loaded", "time", "datetime"):
        assert before[0] <= clocks[name] - skew_s <= after[0]
    assert before[1] <= clocks["monotonic"] <= after[1]
    took_ms = (after[0] - before[0]) * 1000
    assert 9_999 - took_ms <= clocks["remaining"] <= 10_002  # rounded to milliseconds twice
    assert not clocks["environment"]
