from collections.abc import Iterator
from datetime import timedelta

import pytest

from pipeline.cli.alerts.silence_preview import would_have_hidden
from pipeline.cli.alerts.spans import WeeklyType
from pipeline.flows.alerts.silence import Matcher, Silence, Weekly
from tests.fakes.alerts import NOON, cpu_fact
from tests.unit.cli.stacks import Deployed, deployed

CPU = cpu_fact()
CPU_CLEARED = cpu_fact(edge="cleared", event_id="e-2", occurred_at=NOON, observed=41.5, count=9)
DISK = cpu_fact(subject="db-1/disk_usage", source="db-1", labels={"metric_name": "disk_usage"})
NOW = NOON + timedelta(hours=1)


@pytest.fixture
def stack() -> Iterator[Deployed]:
    with deployed() as stack:
        yield stack


def _hidden(
    stack: Deployed, matcher: Matcher, weekly: Weekly | None = None, later_s: float = 0.0
) -> list[tuple[str, int]]:
    now = NOW + timedelta(seconds=later_s)
    silence = Silence(
        silence_id="s",
        owner="ada",
        reason="why",
        created_at=now,
        starts_at=now,
        ends_at=now + timedelta(hours=2),
        matcher=matcher,
        weekly=weekly,
    )
    found = would_have_hidden(stack.dynamodb, "alerts", silence, now)
    return [(one.line.subject, one.notifications) for one in found]


def test_each_notification_counts_once_however_many_topics_have_it(stack: Deployed) -> None:
    stack.page([DISK, CPU, CPU_CLEARED])

    hidden = _hidden(stack, Matcher(rule="static_*"))

    assert hidden == [("web-7/cpu_usage", 2), ("db-1/disk_usage", 1)]


def test_only_what_fits_would_have_been_hidden(stack: Deployed) -> None:
    stack.page([DISK, CPU])

    hidden = [
        _hidden(stack, matcher)
        for matcher in (
            Matcher(source="db-*"),
            Matcher(subject="web-7/cpu_usage"),
            Matcher(labels={"metric_name": "disk_usage"}),
            Matcher(severities=("critical",)),
        )
    ]

    assert hidden == [
        [("db-1/disk_usage", 1)],
        [("web-7/cpu_usage", 1)],
        [("db-1/disk_usage", 1)],
        [],
    ]


def test_what_was_told_before_the_last_day_does_not_count(stack: Deployed) -> None:
    stack.page([CPU])

    hidden = _hidden(stack, Matcher(source="web-7"), later_s=23 * 3600 + 1)

    assert hidden == []


def test_a_window_would_have_hidden_only_what_was_told_while_it_was_open(stack: Deployed) -> None:
    stack.page([CPU])  # at noon of a Sunday

    hidden = [
        _hidden(stack, Matcher(source="web-7"), WeeklyType().convert(text, None, None))
        for text in ("Sun 11:30-12:30 UTC", "Sun 12:30-13:30 UTC", "Sat 11:30-12:30 UTC")
    ]

    assert hidden == [[("web-7/cpu_usage", 1)], [], []]
