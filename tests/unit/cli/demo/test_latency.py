import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pipeline.cli.demo.inbox import Notification
from pipeline.cli.demo.latency import PutLog, alerting_s, latencies_s
from pipeline.cli.producers.producer import Producer
from pipeline.cli.producers.puts import UserPut, aggregated, plain

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
NAMED = UserPut("transaction", "e-1", b"{}")
NAMELESS = UserPut("transaction", "", b"{}")


class Kinesis:
    """Takes all records on one shard."""

    def __init__(self) -> None:
        self.numbers = iter(range(1, 100))

    def put_records(self, *, StreamName: str, Records: list[Any]) -> dict[str, Any]:  # noqa: N803  boto3's names
        assert StreamName == "stream"
        numbers = [str(next(self.numbers)) for _ in Records]
        return {"Records": [{"ShardId": "s", "SequenceNumber": number} for number in numbers]}


def clock() -> Iterator[datetime]:
    for seconds in range(100):
        yield START + timedelta(seconds=seconds)


def put_log() -> PutLog:
    times = clock()
    log = PutLog(Producer(cast("Any", Kinesis()), "stream"), lambda: next(times))
    for puts in ([plain(START, "k", NAMED)], [plain(START, "k", NAMELESS)]):
        assert list(log.send(puts))
    return log


def page(event_id: str, seconds: float, reason: str = "first") -> Notification:
    body = json.dumps({"event_ids": [event_id], "notification_reason": reason})
    return Notification("subject", body, {}, START + timedelta(seconds=seconds))


def test_a_latency_runs_from_the_request_to_the_first_page() -> None:
    assert latencies_s(put_log(), [page("e-1", 2.5)]) == (2.5,)


def test_an_event_without_an_id_is_known_by_its_place_on_the_stream() -> None:
    assert latencies_s(put_log(), [page("s:2", 5.0)]) == (3.0,)


def test_an_event_in_an_aggregate_is_known_by_its_part() -> None:
    log = put_log()
    list(log.send([aggregated(START, "k", [NAMED, NAMELESS])]))

    assert latencies_s(log, [page("s:3:1", 10.0)]) == (6.0,)


def test_updates_and_alerts_of_other_events_are_left_out() -> None:
    assert latencies_s(put_log(), [page("e-1", 9.0, "resolved"), page("elsewhere", 9.0)]) == ()


def test_the_alert_flow_s_part_runs_from_when_it_heard_of_the_alert() -> None:
    body = {"detected_at": "2026-11-21T09:30:02.000Z", "notification_reason": "first"}
    first = Notification("subject", json.dumps(body), {}, START + timedelta(seconds=2.75))
    end = first._replace(body=json.dumps(body | {"notification_reason": "resolved"}))

    assert alerting_s([first, end]) == (0.75,)
