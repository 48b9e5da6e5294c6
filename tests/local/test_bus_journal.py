"""The thread that follows the journal of a real endpoint."""

import queue
import uuid
from typing import Any

import pytest

from pipeline.local.endpoint import Endpoint
from pipeline.local.sources.bus_journal import JournalSource, request_fire


@pytest.fixture
def bucket(endpoint: Endpoint) -> str:
    name = f"followed-{uuid.uuid4()}"
    endpoint.client("s3").create_bucket(Bucket=name)
    return name


def put(endpoint: Endpoint, bucket: str, *keys: str) -> None:
    for key in keys:
        endpoint.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")


def test_facts_come_in_their_order_from_the_start_on(endpoint: Endpoint, bucket: str) -> None:
    facts: queue.Queue[dict[str, Any]] = queue.Queue()
    put(endpoint, bucket, "before")
    source = JournalSource(endpoint.url, facts.put, 0.01, pytest.fail)

    source.start()
    put(endpoint, bucket, "one", "two")
    request_fire(endpoint.url, "Nightly", 1.5)
    found = [facts.get(timeout=60) for _ in range(3)]
    source.stop()

    assert source.join(60)
    assert [fact.get("key") for fact in found] == ["one", "two", None]
    assert found[2] == {"kind": "fire", "logical_id": "Nightly", "time": 1.5}
    assert source.progress()["facts"].fetched == 3
    assert source.progress()["facts"].is_settled


def test_a_fact_that_breaks_the_thread_is_told(endpoint: Endpoint, bucket: str) -> None:
    problems: queue.Queue[str] = queue.Queue()

    def break_down(fact: dict[str, Any]) -> None:
        raise KeyError(fact["key"])

    source = JournalSource(endpoint.url, break_down, 0.01, problems.put)

    source.start()
    put(endpoint, bucket, "one")
    problem = problems.get(timeout=60)

    assert source.join(60)
    assert isinstance(source.failure, KeyError)
    assert problem == "events come no more, the journal has stopped: KeyError('one')"
