import pytest

from pipeline.detection.overrides import (
    changed_without_version,
    differences,
    overridden,
    touched_by,
)
from pipeline.detection.rules import RulesError, default_rules

CPU_95 = '[[static_limit.limits]]\nmetric = "cpu_usage"\nabove = 95.0\n'


def test_an_empty_override_changes_nothing() -> None:
    assert overridden("# none yet") == default_rules()


def test_a_limit_is_overridden_by_its_metric_and_the_others_stay() -> None:
    limits = {limit.metric: limit for limit in overridden(CPU_95).static_limit.limits}

    assert (limits["cpu_usage"].above, limits["cpu_usage"].clear_below) == (95.0, 80.0)
    assert limits["disk_usage"].above == 90.0


def test_a_list_without_names_replaces_the_packaged_one() -> None:
    rules = overridden("[failed_login_user]\nwindows = [{ span_s = 60.0, count = 5 }]")

    (window,) = rules.failed_login_user.windows
    assert (window.span_s, window.count) == (60.0, 5)


@pytest.mark.parametrize(
    ("override", "place"),
    [
        ("above =", "Invalid value"),
        ("[no_such_rule]\nabove = 1.0", "no_such_rule"),
        ("[failed_login_user]\nstaged = 3", r"\$\.failed_login_user\.staged"),
        ('[[static_limit.limits]]\nmetric = "cpu_usage"\nclear_below = 91.0', "clear_below"),
        (
            '[[static_limit.limits]]\nmetric = "queue"',
            r"component.*\$\.static_limit\.limits\.queue",
        ),
        ("[[static_limit.limits]]\nabove = 91.0", "`metric`"),
        ("[health.storm_digest]\nstaged = true", "storm_digest"),
        ("static_limit = 1", r"\$\.static_limit"),
    ],
)
def test_an_invalid_override_is_refused_by_its_place(override: str, place: str) -> None:
    with pytest.raises(RulesError, match=place):
        overridden(override)


def test_what_differs_is_named_by_its_path() -> None:
    (changed, added) = differences(
        default_rules(), overridden(CPU_95 + "[alerting.rules.mass_deletion]\nquiet_s = 60.0\n")
    )

    assert changed == ("static_limit.limits.cpu_usage.above", "90.0", "95.0")
    assert added == ("alerting.rules.mass_deletion.quiet_s", "", "60.0")


@pytest.mark.parametrize(
    ("override", "silent"),
    [
        (CPU_95, ["static_limit"]),
        (CPU_95 + "[static_limit]\nversion = 2\n", []),
        ("[mass_deletion]\nstaged = true", []),
    ],
)
def test_a_rule_that_judges_otherwise_under_its_old_version_is_named(
    override: str, silent: list[str]
) -> None:
    assert changed_without_version(default_rules(), overridden(override)) == silent


def test_the_rules_that_an_override_touches_are_those_that_it_has_a_table_for() -> None:
    override = CPU_95 + "[health.pipeline_behind]\nabove_s = 60.0\n"

    touched = touched_by(override)

    assert {"static_limit", "pipeline_behind"} <= touched
    assert "mass_deletion" not in touched
