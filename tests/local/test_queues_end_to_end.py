"""Queues of queues.yaml with real workers on an own moto server."""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.local.lambda_service import LambdaSettings
from pipeline.local.run import LocalRun

TEMPLATE = Path(__file__).with_name("templates") / "queues.yaml"


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes")


@pytest.fixture(scope="module")
def run(notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    directory = tmp_path_factory.mktemp("run")
    settings = LambdaSettings(poll_interval_s=0.02)
    with LocalRun(
        TEMPLATE, directory=directory, parameters={"Notes": str(notes)}, settings=settings
    ) as running:
        yield running


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def send(run: LocalRun, queue: str, *bodies: str, **more: str) -> None:
    client = run.endpoint.client("sqs")
    for body in bodies:
        client.send_message(QueueUrl=run.deployment.physical_ids[queue], MessageBody=body, **more)


def test_a_message_that_fails_comes_again_and_goes_to_the_dead_letter_queue(
    run: LocalRun, notes: Path
) -> None:
    send(run, "Jobs", "fine", "fail once", "fail")

    run.wait_until_drained(30)

    records = [record for note in read(notes / "jobs") for record in note["records"]]
    assert sorted((r["body"], r["attributes"]["ApproximateReceiveCount"]) for r in records) == [
        ("fail", "1"),
        ("fail", "2"),
        ("fail once", "1"),
        ("fail once", "2"),
        ("fine", "1"),
    ]
    assert len({record["receiptHandle"] for record in records}) == 5
    url = run.deployment.physical_ids["DeadLetters"]
    dead = run.endpoint.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    assert [message["Body"] for message in dead["Messages"]] == ["fail"]


def test_groups_stay_in_order_and_none_is_twice_at_once(run: LocalRun, notes: Path) -> None:
    for number in range(6):
        for group in ("a", "b", "c"):
            send(run, "Orders", f"slow {group}{number}", MessageGroupId=group)

    run.wait_until_drained(30)

    calls = read(notes / "orders")
    bodies: dict[str, list[str]] = defaultdict(list)
    numbers: dict[str, list[str]] = defaultdict(list)
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for call in sorted(calls, key=lambda each: each["started"]):
        for record in call["records"]:
            group = record["attributes"]["MessageGroupId"]
            bodies[group].append(record["body"])
            numbers[group].append(record["attributes"]["SequenceNumber"])
        for group in {record["attributes"]["MessageGroupId"] for record in call["records"]}:
            spans[group].append((call["started"], call["ended"]))
    assert dict(bodies) == {g: [f"slow {g}{number}" for number in range(6)] for g in "abc"}
    assert all(each == sorted(each) and len(each[0]) == 20 for each in numbers.values())
    assert all(before[1] <= after[0] for each in spans.values() for before, after in pairwise(each))


def test_delayed_messages_are_waited_for_and_filter_misses_reach_no_function(
    run: LocalRun, notes: Path
) -> None:
    send(run, "Readings", '{"celsius": 31}', '{"celsius": 30}', "no JSON", '{"celsius": 40.5}')

    run.wait_until_drained(30)

    seen = [record["body"] for note in read(notes / "readings") for record in note["records"]]
    assert sorted(seen) == ['{"celsius": 31}', '{"celsius": 40.5}']


def test_throttled_batches_wait_invisible_and_cost_no_receive(run: LocalRun, notes: Path) -> None:
    bodies = [f'{{"celsius": 50, "slow": {number}}}' for number in range(6)]
    before = run.invocations["ReadingWorker"].throttles
    send(run, "Readings", *bodies)

    run.wait_until_drained(30)

    seen = [
        (record["body"], record["attributes"]["ApproximateReceiveCount"])
        for note in read(notes / "readings")
        for record in note["records"]
        if "slow" in record["body"]
    ]
    assert sorted(seen) == [(body, "1") for body in bodies]
    assert run.invocations["ReadingWorker"].throttles > before
