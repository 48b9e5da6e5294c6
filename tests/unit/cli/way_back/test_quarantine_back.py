import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.cli.lake.quarantine_lines import find_record, list_objects, read_lines
from pipeline.cli.way_back.function_calls import Functions, NotTakenError
from pipeline.cli.way_back.quarantine_back import QuarantineBack
from pipeline.cli.way_back.quarantine_replay import Verdict, judge
from pipeline.flows.events.intake import OTHER_CONTENT, Refused, take_in
from pipeline.flows.events.lake import quarantine_objects
from pipeline.records import KinesisRecord, UserRecord
from tests.golden_events import golden
from tests.unit.cli.returning import Returning, returning

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp()
SHARD = "shardId-000000000000"
GOOD = (
    b'{"event_type":"system_metric","metric_name":"cpu_usage","value":1,"source":"web-1",'
    b'"timestamp":"2026-03-01T11:59:00Z"}'
)


@pytest.fixture
def account() -> Iterator[Returning]:
    with returning() as account:
        account.functions.answer = consumer
        yield account


def consumer(_name: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Answer as a consumer that takes all."""
    return {"batchItemFailures": [], "report": {"quarantined": 0, "records": len(event)}}


def _refused(
    number: int, data: bytes, part: str = "", reason: str = "unknown metric", source: str = SHARD
) -> Refused:
    """Return a record as a consumer of an older contract refused it."""
    record = KinesisRecord(source, number, "web-1", NOON, data)
    return Refused(record, UserRecord(f"{source}:{number}{part}", "web-1", data), reason, "$")


def _set_aside(account: Returning, *refused: Refused) -> str:
    (stored,) = quarantine_objects(refused, [one.record for one in refused])
    account.s3.put_object(Bucket="lake", Key=stored.key, Body=stored.body)
    return stored.key


def _back(account: Returning) -> QuarantineBack:
    return QuarantineBack(account.stack, Functions(account.stack))


def _sent(account: Returning) -> list[tuple[str, bytes, float]]:
    """Return event id, data and arrival of every record that was sent."""
    return [
        (
            one["eventID"],
            base64.b64decode(one["kinesis"]["data"]),
            one["kinesis"]["approximateArrivalTimestamp"],
        )
        for _, event in account.functions.calls
        for one in event["Records"]
    ]


def _left(account: Returning, key: str) -> list[str]:
    return [line.record_id for line in read_lines(account.s3, "lake", key)]


def test_what_passes_today_goes_back_and_the_rest_stays(account: Returning) -> None:
    key = _set_aside(account, _refused(7, GOOD), _refused(8, b"{"), _refused(9, GOOD))
    back = _back(account)
    passing, staying = back.find()

    back.put_back(passing)

    assert (passing.records, staying.records) == (2, 1)
    assert _sent(account) == [(f"{SHARD}:7", GOOD, NOON), (f"{SHARD}:9", GOOD, NOON)]
    assert _left(account, key) == [f"{SHARD}:8"]


def test_an_object_of_which_all_went_back_goes_too(account: Returning) -> None:
    _set_aside(account, _refused(7, GOOD))
    back = _back(account)
    (passing,) = back.find()

    back.put_back(passing)

    assert list(_back(account).find()) == []


def test_a_record_of_an_aggregate_keeps_the_id_of_its_place(account: Returning) -> None:
    _set_aside(account, _refused(7, GOOD, ":2"), _refused(7, GOOD, ":3"))
    back = _back(account)
    (passing,) = back.find()

    back.put_back(passing)

    ids = [json.loads(data)["event_id"] for _, data, _ in _sent(account)]
    assert ids == [f"{SHARD}:7:2", f"{SHARD}:7:3"]
    assert take_in([_record(data) for _, data, _ in _sent(account)]).refused == []


def _record(data: bytes) -> KinesisRecord:
    return KinesisRecord(SHARD, 7, "web-1", NOON, data)


def test_an_older_consumer_that_refuses_again_loses_nothing(account: Returning) -> None:
    account.functions.answer = lambda _name, _event: {
        "batchItemFailures": [],
        "report": {"quarantined": 1},
    }
    key = _set_aside(account, _refused(7, GOOD))
    back = _back(account)
    (passing,) = back.find()

    with pytest.raises(NotTakenError, match="deploy it first"):
        back.put_back(passing)

    assert _left(account, key) == [f"{SHARD}:7"]


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(
            [_refused(7, GOOD, reason=OTHER_CONTENT)], id="its id stood for another event"
        ),
        pytest.param(
            [
                _refused(7, b'{"event_id":"e",' + GOOD[1:]),
                _refused(7, b'{"event_id":"e", ' + GOOD[1:]),
            ],
            id="two of them clash",
        ),
    ],
)
def test_a_clash_of_ids_stays(account: Returning, refused: list[Refused]) -> None:
    _set_aside(account, *refused)

    (staying,) = _back(account).find()

    assert (staying.records, bool(staying.obstacle)) == (len(refused), True)


def _refused_changes(account: Returning, *changes: Mapping[str, Any]) -> str:
    """Set changes of UsersTable aside, as the consumer of an older contract refused them."""
    return _set_aside(
        account,
        *(
            _refused(number, json.dumps(change).encode(), source="UsersTable")
            for number, change in enumerate(changes, 7)
        ),
    )


def test_a_refused_change_of_a_user_goes_back_to_its_own_consumer_as_it_came(
    account: Returning,
) -> None:
    good, bad = golden("dynamodb_users")[0], golden("dynamodb_users")[1]
    bad["dynamodb"]["NewImage"]["email"] = {"N": "7"}
    key = _refused_changes(account, good, bad)
    back = _back(account)
    passing, staying = back.find()

    back.put_back(passing)

    assert (passing.source, passing.records, staying.records) == ("UsersTable", 1, 1)
    assert account.functions.calls == [
        ("sw-dynamodb-users", {"Records": [good], "redrive": "records"})
    ]
    assert _left(account, key) == ["UsersTable:8"]


def test_a_change_that_the_users_consumer_refuses_again_stays(account: Returning) -> None:
    account.functions.answer = lambda _name, _event: {
        "batchItemFailures": [],
        "report": {"taken": 1, "quarantined": 1},
    }
    key = _refused_changes(account, golden("dynamodb_users")[0])
    back = _back(account)
    (passing,) = back.find()

    with pytest.raises(NotTakenError, match="deploy it first"):
        back.put_back(passing)

    assert _left(account, key) == ["UsersTable:7"]


def test_a_refused_change_is_found_by_its_sequence_number(account: Returning) -> None:
    key = _refused_changes(account, *golden("dynamodb_users")[:2])

    found = find_record(account.s3, "lake", list_objects(account.s3, "lake"), "UsersTable:8")

    assert found is not None
    assert (found.key, found.line.sequence_number) == (key, "8")


def test_verdicts_name_the_kind_of_a_change(account: Returning) -> None:
    _refused_changes(account, golden("dynamodb_users")[3])

    verdicts = judge(one for _, judged in _back(account).judge() for one in judged)

    assert verdicts == [Verdict("user REMOVE", "$", "unknown metric", passing=1)]


def test_verdicts_count_each_record_once_by_its_fault(account: Returning) -> None:
    _set_aside(account, _refused(7, GOOD), _refused(8, b"{"))
    _set_aside(account, _refused(8, b"{"))

    verdicts = judge(one for _, judged in _back(account).judge() for one in judged)

    assert verdicts == [
        Verdict("system_metric", "$", "unknown metric", passing=1),
        Verdict("(not JSON)", "$", "unknown metric", staying=1, today="not JSON: it breaks off"),
    ]
