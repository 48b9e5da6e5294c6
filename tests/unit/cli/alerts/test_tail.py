from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from pipeline.cli.alerts.index import AlertLine
from pipeline.cli.alerts.tail import follow, snapshot, tail
from tests.fakes.alerts import NOON
from tests.unit.cli.stacks import STACK, Deployed, deployed, row

CPU = AlertLine(
    alert_id="a",
    dedup_key="static_limit#web-7/cpu_usage",
    opened_at=NOON,
    status="firing",
    severity="high",
    rule_id="static_limit",
    subject="web-7/cpu_usage",
    source="web-7",
    title="cpu",
    count=1,
)
DISK = replace(CPU, alert_id="b", opened_at=NOON + timedelta(seconds=1))


def _followed(*looks: Sequence[AlertLine], read: AlertLine | None = None) -> list[tuple[str, str]]:
    snapshots = iter([{line.alert_id: line for line in lines} for lines in looks])
    changes = follow(lambda: next(snapshots), lambda _: read, lambda: None, len(looks) - 1)
    return [(change.what, change.line.alert_id) for change in changes]


def test_what_fires_comes_first_and_what_is_over_is_no_news() -> None:
    over = replace(CPU, status="resolved")

    assert _followed([DISK, over], [DISK, over]) == [("firing", "b")]


def test_each_change_of_an_alert_is_told() -> None:
    worse = replace(CPU, severity="critical", count=10)
    taken = replace(worse, taken_by="ada")
    over = replace(taken, status="resolved")

    told = _followed([], [CPU], [worse], [taken], [over], [over])

    assert told == [
        ("opened", "a"),
        ("high to critical", "a"),
        ("1 to 10 times", "a"),
        ("taken by ada", "a"),
        ("resolved", "a"),
    ]


def test_an_alert_that_was_over_before_anybody_saw_it_is_told_whole() -> None:
    told = _followed([], [replace(CPU, status="resolved")])

    assert told == [("opened", "a"), ("resolved", "a")]


def test_an_old_alert_that_leaves_the_index_of_what_fires_is_read_and_told() -> None:
    told = _followed([CPU], [], read=replace(CPU, status="resolved"))

    assert told == [("firing", "a"), ("resolved", "a")]


def test_an_alert_that_is_dropped_is_told_no_more() -> None:
    assert _followed([CPU], [], []) == [("firing", "a")]


@pytest.fixture
def stack() -> Iterator[Deployed]:
    with deployed() as stack:
        yield stack


def test_a_snapshot_holds_what_fires_and_what_has_just_opened(stack: Deployed) -> None:
    rows = [
        row(-90 * 86_400, alert_id="old and firing"),
        row(-7200, alert_id="over for long", status="resolved"),
        row(-60, alert_id="over already", status="resolved"),
    ]
    for item in rows:
        stack.dynamodb.put_item(TableName="alerts", Item=item)

    seen = snapshot(stack.dynamodb, "alerts", NOON)

    assert set(seen) == {"old and firing", "over already"}


@pytest.mark.usefixtures("stack")
def test_where_nothing_fires_it_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    result = CliRunner().invoke(tail, ["--stack", STACK, "--for", "1s", "--every", "2"])

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "what fires, then each change; Ctrl-C ends it\n"
