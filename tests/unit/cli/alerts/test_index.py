from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli.alerts.index import Wanted, find_alerts, list_alerts
from tests.fakes.alerts import NOON
from tests.unit.cli.stacks import Deployed, deployed, row

NOW = NOON + timedelta(hours=6)


@pytest.fixture
def stack() -> Iterator[Deployed]:
    with deployed() as stack:
        yield stack


def _put(stack: Deployed, *rows: dict[str, dict[str, str]]) -> None:
    for start in range(0, len(rows), 25):
        requests = [{"PutRequest": {"Item": item}} for item in rows[start : start + 25]]
        stack.dynamodb.batch_write_item(RequestItems={"alerts": requests})


def _ids(stack: Deployed, wanted: Wanted, limit: int = 10) -> list[int]:
    listed = list_alerts(stack.dynamodb, "alerts", wanted, limit, NOW)
    return [int(line.alert_id) for line in listed.lines]


def test_alerts_are_listed_over_the_days_the_newest_first(stack: Deployed) -> None:
    hours = (0, 30, 60)
    _put(stack, *(row(-number * 3600) | _id(number) for number in hours))

    listed = _ids(stack, Wanted())

    assert listed == [0, 30, 60]


def test_without_a_time_a_list_goes_back_for_thirty_days(stack: Deployed) -> None:
    days = (29, 32)
    _put(stack, *(row(-number * 86_400) | _id(number) for number in days))

    listed = [_ids(stack, Wanted()), _ids(stack, Wanted(since=NOON - timedelta(days=40)))]

    assert listed == [[29], [29, 32]]


def test_a_list_that_is_cut_says_so(stack: Deployed) -> None:
    _put(stack, *(row(number) for number in range(1, 4)))

    listed = [list_alerts(stack.dynamodb, "alerts", Wanted(), limit, NOW) for limit in (2, 3)]

    assert [one.is_cut for one in listed] == [True, False]
    assert [int(line.alert_id) for line in listed[0].lines] == [3, 2]


def test_what_fires_is_found_however_old_it_is_and_the_ledger_is_no_alert(stack: Deployed) -> None:
    _put(
        stack,
        row(-90 * 86_400) | _id(1),
        row(1, status="resolved") | _id(2),
        {
            "dedup_key": {"S": "ledger#budget"},
            "opened_at": {"S": "2026-03-01T12:00:00.000000Z"},
            "status": {"S": "digest"},
            "due_at": {"S": "2026-03-01T12:00:00.000000Z"},
        },
    )

    listed = [_ids(stack, Wanted(status="firing")), _ids(stack, Wanted())]

    assert listed == [[1], [2]]


def test_a_rule_and_a_subject_have_an_index_that_goes_back_for_ever(stack: Deployed) -> None:
    old = {"subject": "web-7/cpu_usage", "rule_id": "static_limit"}
    _put(
        stack,
        row(-90 * 86_400, **old) | _id(1),
        row(1, rule_id="failed_logins", subject="ada") | _id(2),
    )

    listed = [
        _ids(stack, Wanted(rule="static_limit")),
        _ids(stack, Wanted(subject="web-7/cpu_usage")),
        _ids(stack, Wanted(rule="failed_logins", subject="web-7/cpu_usage")),
        _ids(stack, Wanted(rule="static_limit", since=NOON)),
    ]

    assert listed == [[1], [1], [], []]


def test_a_list_goes_on_over_the_pages_of_an_index(stack: Deployed) -> None:
    padding = {"title": "x" * 3000}
    _put(stack, *(row(number, **padding) for number in range(1, 403)))

    listed = list_alerts(stack.dynamodb, "alerts", Wanted(severity="high"), 500, NOW)

    assert len(listed.lines) == 402


def test_an_alert_is_found_by_the_beginning_of_its_id(stack: Deployed) -> None:
    _put(stack, row(1, alert_id="abcd11"), row(2, alert_id="abcd22"), row(3, alert_id="abce11"))
    for number, start in ((1, "abcd"), (2, "abcd"), (3, "abce")):
        _put(stack, row(number, alert_id=f"{start}{number}", id_start=start))

    found = [
        [line.alert_id for line in find_alerts(stack.dynamodb, "alerts", prefix)]
        for prefix in ("abcd", "abcd1", "abce3", "ffff")
    ]

    assert found == [["abcd2", "abcd1"], ["abcd1"], ["abce3"], []]


def test_an_id_that_is_too_short_is_refused(stack: Deployed) -> None:
    with pytest.raises(ValueError, match="at least 4 characters"):
        find_alerts(stack.dynamodb, "alerts", "abc")


def test_bounds_of_time_are_since_and_before(stack: Deployed) -> None:
    _put(stack, *(row(number) for number in (10, 20, 30)))
    first, last = (datetime(2026, 3, 1, 12, 0, second, tzinfo=UTC) for second in (10, 30))

    listed = _ids(stack, Wanted(since=first, until=last))

    assert listed == [20, 10]


def _id(number: int) -> dict[str, dict[str, str]]:
    return {"alert_id": {"S": f"{number:032}"}}
