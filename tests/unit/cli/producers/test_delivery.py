import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from pipeline.cli.producers.delivery import Delivery, in_words, progress_bar
from pipeline.cli.producers.producer import PutError, Receipt
from pipeline.cli.producers.puts import StreamPut, UserPut, aggregated, plain

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LOGIN = UserPut("user_activity", "e-1", b"{}")
METRIC = UserPut("system_metric", "e-2", b"{}")


class FakeProducer:
    """Takes one record a request, and fails at the record with the key `bad`."""

    def send(self, puts: Sequence[StreamPut]) -> Iterator[list[Receipt]]:
        for number, put in enumerate(puts):
            receipt = Receipt(put, "shardId-0", str(number))
            if put.partition_key == "bad":
                raise PutError("no", [receipt])
            yield [receipt]


def _delivery() -> Delivery:
    producer: Any = FakeProducer()
    return Delivery(producer)


def test_events_are_counted_by_type_those_within_aggregates_too() -> None:
    delivery = _delivery()

    counts = list(delivery.send([plain(AT, "u", LOGIN), aggregated(AT, "w", [METRIC, METRIC])]))

    assert counts == [1, 3]
    assert delivery.by_type == {"user_activity": 1, "system_metric": 2}


def test_what_a_failed_request_put_is_counted() -> None:
    delivery = _delivery()

    with pytest.raises(PutError):
        list(delivery.send([plain(AT, "u", LOGIN), plain(AT, "bad", METRIC)]))

    assert delivery.by_type == {"user_activity": 1, "system_metric": 1}


def test_counts_are_said_in_words() -> None:
    assert in_words({}) == "no events"
    assert in_words({"transaction": 1}) == "1 event (1 transaction)"
    assert in_words({"user_activity": 2, "transaction": 1}) == (
        "3 events (1 transaction, 2 user_activity)"
    )


def test_the_bar_is_for_terminals_only() -> None:
    shown = []
    for is_terminal in (True, False):
        output = io.StringIO()
        console = Console(file=output, force_terminal=is_terminal, width=80)
        with progress_bar(console, "putting", 100) as advance:
            advance(50, 1234)
        shown.append(output.getvalue())

    assert "putting" in shown[0]
    assert "1,234 events" in shown[0]
    assert shown[1] == ""
