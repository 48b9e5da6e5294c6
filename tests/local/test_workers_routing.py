"""Several workers of one function: how many, who gets which invocation, who is throttled."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.local.checkpoints import Checkpoints
from pipeline.local.deployment import Deployment
from pipeline.local.endpoint import Endpoint
from pipeline.local.execution.outcome import Success, Throttled
from pipeline.local.execution.workers import MAX_CONCURRENCY, FunctionWorkers
from pipeline.local.lambda_service import LambdaService, RunEvent
from tests.local.staged import staged_function

Start = Callable[..., FunctionWorkers]

PID = """
    import os, time
    def handler(event, context):
        time.sleep(event)
        return os.getpid()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[FunctionWorkers] = []

    def start_workers(source: str, reserved: int | None = None, seed: int = 0) -> FunctionWorkers:
        workers = FunctionWorkers(
            staged_function(tmp_path / "code", source, reserved_concurrency=reserved),
            aws_environment={},
            directory=tmp_path,
            on_log=lambda function, line: None,  # noqa: ARG005
            on_failure=lambda function, error, tail: None,  # noqa: ARG005
            seed=seed,
        )
        started.append(workers)
        return workers

    yield start_workers
    for workers in started:
        workers.close()


def answer(workers: FunctionWorkers, event: object) -> object:
    outcome = workers.invoke(json.dumps(event).encode())
    assert isinstance(outcome, Success), outcome
    return json.loads(outcome.payload)


def test_a_reserved_concurrency_is_the_number_of_workers(start: Start) -> None:
    workers = start(PID, reserved=3)

    pids = {answer(workers, 0) for _ in range(20)}

    assert len(pids) == 3
    assert workers.cut_to is None


def test_a_concurrency_of_zero_always_throttles(start: Start) -> None:
    workers = start(PID, reserved=0)

    outcomes = [workers.invoke(b"0") for _ in range(3)]

    assert outcomes == [Throttled()] * 3
    assert workers.pids == ()
    assert workers.cut_to is None


def test_a_concurrency_over_the_laptops_is_cut_and_what_is_more_waits(start: Start) -> None:
    workers = start(PID, reserved=50)

    with ThreadPoolExecutor(12) as pool:
        pids = list(pool.map(lambda _: answer(workers, 0.05), range(24)))

    assert workers.cut_to == MAX_CONCURRENCY == 4
    assert len(pids) == 24
    assert len(workers.pids) <= 5
    assert workers.counters.throttles == 0


def test_a_shard_changes_workers_even_when_all_that_may_run_are_busy(start: Start) -> None:
    workers = start(PID)

    def shard(_: int) -> set[object]:
        return {answer(workers, 0.02) for _ in range(10)}

    with ThreadPoolExecutor(2) as shards:
        pids = list(shards.map(shard, range(2)))

    assert [len(met) > 1 for met in pids] == [True, True]


def test_the_seed_alone_decides_the_way_of_consecutive_batches(start: Start) -> None:
    def way(seed: int) -> list[int]:
        workers = start(PID, reserved=2, seed=seed)
        pids = [answer(workers, 0) for _ in range(10)]
        first = pids[0]
        return [int(pid == first) for pid in pids]

    once = way(1)

    assert way(1) == once
    assert way(2) != once


def test_a_state_that_lives_in_a_module_alone_shows_within_a_few_batches(start: Start) -> None:
    workers = start(
        """
        counts = {}
        def handler(event, context):
            counts[event] = counts.get(event, 0) + 1
            return counts[event]
        """,
        reserved=2,
    )

    counts = [answer(workers, "shard-0") for _ in range(6)]

    assert counts != [1, 2, 3, 4, 5, 6]


def test_a_cut_concurrency_is_told_at_the_start(tmp_path: Path) -> None:
    function = staged_function(tmp_path / "code", PID, reserved_concurrency=50)
    told: list[RunEvent] = []
    service = LambdaService(
        Deployment({"Greeter": function}, (), {}, {}, {}),
        Endpoint("http://127.0.0.1:1"),
        directory=tmp_path,
        checkpoints=Checkpoints(None),
        on_event=told.append,
    )

    service.start()
    service.close()

    assert told == [RunEvent("note", "Greeter", "50 invocations at once are reserved, 4 run here")]
