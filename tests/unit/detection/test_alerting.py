from importlib.resources import files

import pytest

from pipeline.detection.alerting import Firing, Inhibition
from pipeline.detection.anomaly import Severity
from pipeline.detection.rules import RulesError, default_rules, load_rules
from tests.fakes.alerts import cpu_fact

DEFAULT = files("pipeline.detection").joinpath("rules.toml").read_text("utf-8")
ALERTING = default_rules().alerting


def test_a_rule_of_kind_event_is_over_after_its_own_quiet_time() -> None:
    assert default_rules().timers("account_takeover").quiet_s == 86_400


@pytest.mark.parametrize("rule", ["static_limit", "unsafe_content", "retired_rule"])
def test_other_rules_have_the_default_timers(rule: str) -> None:
    timers = default_rules().timers(rule)

    assert (timers.quiet_s, timers.repeat_s) == (3600, 14_400)


def test_an_override_goes_before_what_the_rule_says() -> None:
    assert default_rules().timers("storm_digest").quiet_s == 900


@pytest.mark.parametrize(
    ("rule", "group"),
    [
        ("static_limit", "static_limit high cpu_usage"),
        ("pipeline_silent_source", "pipeline_silent_source high host"),
        ("transaction_amount", ""),
    ],
)
def test_a_group_is_named_by_rule_severity_and_labels_or_component(rule: str, group: str) -> None:
    assert default_rules().timers(rule).group(cpu_fact(rule_id=rule), "high") == group


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("notifications = 20", "notifications = 0"), "$.alerting.budget.notifications"),
        (("repeat_s = 14400.0", "repeat_s = -1.0"), "$.alerting.repeat_s"),
        (("repeat_s = 14400.0\n", ""), "`repeat_s`"),
        (("[alerting.rules.static_limit]", "[alerting.rules.static_limti]"), "static_limti"),
        (('of = ["metric_baseline"]', 'of = ["metric_baselin"]'), "metric_baselin"),
        (('same = "subject"', 'same = "host"'), "$.alerting.inhibitions[0].same"),
        (('group_by = ["metric_name"]', 'grup_by = ["metric_name"]'), "`grup_by`"),
    ],
)
def test_a_fault_is_refused_by_name(change: tuple[str, str], message: str) -> None:
    text = DEFAULT.replace(*change, 1)
    assert text != DEFAULT

    with pytest.raises(RulesError) as caught:
        load_rules(text)

    assert message in str(caught.value)


def firing(rule: str, subject: str, severity: Severity, source: str = "web-7") -> Firing:
    return Firing(rule_id=rule, subject=subject, source=source, severity=severity)


@pytest.mark.parametrize(
    ("cause", "explained"),
    [
        (firing("static_limit", "web-7/cpu_usage", "info"), True),
        (firing("static_limit", "web-7/disk_usage", "info"), False),
        (firing("static_limit", "web-7/cpu_usage", "info", source="web-8"), False),
        (firing("metric_baseline", "web-7/cpu_usage", "critical"), False),
    ],
)
def test_a_limit_explains_the_baseline_of_its_own_series(cause: Firing, *, explained: bool) -> None:
    fact = cpu_fact(rule_id="metric_baseline")

    assert ALERTING.inhibitions[0].explains(cause, fact, "medium") is explained


@pytest.mark.parametrize(
    ("cause", "severity", "explained"),
    [
        ("critical", "high", True),
        ("critical", "critical", False),
        ("high", "medium", False),
    ],
)
def test_only_what_is_critical_explains_and_only_what_is_less(
    cause: Severity, severity: Severity, *, explained: bool
) -> None:
    other = firing("static_limit", "web-7/memory_usage", cause)

    assert ALERTING.inhibitions[1].explains(other, cpu_fact(), severity) is explained


def test_nothing_explains_itself() -> None:
    itself = Inhibition(by=("static_limit",), of=("static_limit",), same="subject")

    assert not itself.explains(
        firing("static_limit", "web-7/cpu_usage", "critical"), cpu_fact(), "high"
    )
