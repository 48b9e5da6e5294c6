from datetime import UTC, datetime

import pytest

from pipeline.cli.demo.held_back import HeldWindow, is_accounted_for
from pipeline.cli.traffic.incidents import PlantedIncident

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
INCIDENT = PlantedIncident("a full disk", "static_limit#rack-02/disk_usage", AT, AT)
NAMES = frozenset({"rack-02/disk_usage", "rack-03/disk_usage"})


def window(account: str, held: int, told: int, *, is_due: bool = False) -> HeldWindow:
    return HeldWindow(account, held, told, is_due, frozenset({"static_limit"}), NAMES)


OF_A_GROUP = window("budget", 1, 1)._replace(
    subjects=frozenset({"rack-01/disk_usage and 2 more of its group"})
)


@pytest.mark.parametrize(
    ("windows", "told"),
    [
        ([window("budget", 2, 2)], {("storm_digest", 2)}),
        ([window("budget critical", 2, 2)], {("storm_digest", 2)}),
        ([window("budget", 2, 0, is_due=True)], set()),
        ([window("budget", 3, 2, is_due=True)], {("storm_digest", 2)}),
        ([window("group static_limit high disk_usage", 2, 2)], {("group", 2)}),
        ([window("group static_limit high disk_usage", 2, 2)], {("group", 1)}),
        ([window("group static_limit high disk_usage", 2, 2), OF_A_GROUP], {("storm_digest", 1)}),
    ],
)
def test_what_a_told_window_names_is_accounted_for(
    windows: list[HeldWindow], told: set[tuple[str, int]]
) -> None:
    assert is_accounted_for(INCIDENT, windows, told)


@pytest.mark.parametrize(
    ("windows", "told"),
    [
        ([], {("storm_digest", 2)}),
        ([window("budget", 2, 2)], {("storm_digest", 1)}),
        ([window("budget", 2, 2)], {("group", 2)}),
        ([window("budget", 3, 2)], {("storm_digest", 2)}),
        ([window("budget", 2, 2)._replace(subjects=frozenset())], {("storm_digest", 2)}),
        ([window("budget", 2, 2)._replace(rules=frozenset())], {("storm_digest", 2)}),
        ([window("group static_limit high disk_usage", 2, 2)], {("storm_digest", 2)}),
        ([window("group static_limit high disk_usage", 2, 2), OF_A_GROUP], set()),
        ([window("over static_limit high disk_usage", 2, 2)], {("group", 2)}),
    ],
)
def test_what_no_told_window_names_is_not(
    windows: list[HeldWindow], told: set[tuple[str, int]]
) -> None:
    assert not is_accounted_for(INCIDENT, windows, told)
