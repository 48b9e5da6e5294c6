from importlib.resources import files

import pytest

from pipeline.detection.rules import RulesError, default_rules, load_rules
from tests.unit.detection.series import fold, series

DEFAULT = files("pipeline.detection").joinpath("rules.toml").read_text("utf-8")


def test_every_packaged_limit_opens_at_its_first_point() -> None:
    paces = [limit.pace for limit in default_rules().static_limit.limits]

    assert {(pace.open_points, pace.open_for_s) for pace in paces} == {(1, 0.0)}


def test_the_packaged_rules_hold_the_promised_limits() -> None:
    limits = default_rules().static_limit.limits

    assert {limit.metric: (limit.above, limit.unit) for limit in limits} == {
        "cpu_usage": (90.0, "%"),
        "memory_usage": (85.0, "%"),
        "disk_usage": (90.0, "%"),
        "response_time": (5000.0, "ms"),
        "error_rate": (5.0, "%"),
    }


def test_the_packaged_rules_hold_the_promised_windows_and_speeds() -> None:
    rules = default_rules()

    assert rules.transaction_amount.limit("EUR") == 10_000
    assert [
        (window.span_s, window.count, window.sum) for window in rules.transaction_velocity.windows
    ] == [(3600, 10, 20_000), (86_400, 25, 50_000)]
    assert (rules.impossible_travel.above_km_h, rules.impossible_travel.beyond_km) == (900, 100)
    assert [(window.span_s, window.count) for window in rules.failed_login_user.windows] == [
        (600, 10)
    ]
    assert [(window.span_s, window.count) for window in rules.failed_login_address.windows] == [
        (600, 20)
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("above = 85.0", 'above = "85"'), "$.static_limit.limits[1].above"),
        (("above = 85.0\n", ""), "`above` - at `$.static_limit.limits[1]`"),
        (("above = 85.0", "above = nan"), "$.static_limit.limits[1].above"),
        (("clear_below = 87.0", "clear_below = 90.0"), "$.static_limit.limits[2]"),
        (("clear_below = 87.0", "clear_belwo = 87.0"), "`clear_belwo`"),
        (("{ above = 97.0", "{ above = 89.0"), "`steps` must rise"),
        (('above = 97.0, severity = "critical"', 'above = 97.0, severity = "low"'), "severity"),
        (('severity = "medium"', 'severity = "urgent"'), "$.metric_baseline.severity"),
        (("open_above = 2.3", "open_above = 1.0"), "$.metric_baseline"),
        (("warmup_points = 100", "warmup_points = 0"), "$.metric_baseline.knobs.warmup_points"),
        (("peak_rate = 0.3", "peak_rate = 1.5"), "$.metric_baseline.knobs.peak_rate"),
        (("open_points = 1", "open_points = 0"), "$.static_limit.limits[0].pace"),
        (("clear_for_s = 0.0", "clear_for_s = -1.0"), "must not be negative"),
        (('id = "static_limit"', 'id = "limit"'), "`static_limit.id` must be `static_limit`"),
        (('metric = "error_rate"', 'metric = "cpu_usage"'), "names a metric twice"),
        (("seconds = 1000.0", "Seconds = 1000.0"), "must be in lower case"),
        (("[metric_baseline]", "[metric_baseline"), "rules: "),
        (("impact = ", "impatc = "), "`impatc`"),
        (('impact = "A limit that', f'impact = "{"A" * 200}'), "$.static_limit.impact"),
        (
            ('  "Genuine load: add capacity",\n', 4 * '  "Genuine load: add capacity",\n'),
            "$.static_limit.limits[0].next_steps",
        ),
        (('id = "pipeline_stray_key"', 'id = "stray"'), "`pipeline_stray_key.id` must be"),
        (("[health.pipeline_stray_key]", "[health.pipeline_sray_key]"), "`pipeline_sray_key`"),
        (('kind = "event"', 'kind = "state"'), "$.transaction_amount.kind"),
        (("default_limit = 10000.0", "default_limit = 0.0"), "$.transaction_amount.default_limit"),
        (("JPY = 1500000.0", "yen = 1500000.0"), "$.transaction_amount.limits"),
        (("{ above = 10.0", "{ above = 1.0"), "$.transaction_amount"),
        (("count = 25", "count = 29"), "$.transaction_velocity.windows[1].count"),
        (("sum = 50000.0", "sum = 1e8"), "$.transaction_velocity.windows[1].sum"),
        (("beyond_km = 100.0", "beyond_km = -1.0"), "$.impossible_travel.beyond_km"),
        (("quiet_s = 3600.0", "quiet_s = 0.0"), "$.transaction_amount.quiet_s"),
        (("span_s = 600.0", "span_s = 0.0"), "$.failed_login_user.windows[0].span_s"),
        (('"login_failed"', '"Login_Failed"'), "must be in lower case"),
        (('"login_failed"', '"login"'), "must not share a word"),
    ],
)
def test_an_unusable_rule_is_refused_with_its_rule_and_field(
    change: tuple[str, str], message: str
) -> None:
    old, new = change
    assert old in DEFAULT

    with pytest.raises(RulesError) as refusal:
        load_rules(DEFAULT.replace(old, new))

    assert message in str(refusal.value)


def test_a_missing_rule_is_refused_by_name() -> None:
    with pytest.raises(RulesError, match="static_limit"):
        load_rules("")


def test_the_texts_of_every_rule_are_found_by_its_id() -> None:
    texts = default_rules().texts()

    assert list(texts) == [
        "static_limit",
        "metric_baseline",
        "transaction_amount",
        "transaction_velocity",
        "transaction_fraud_score",
        "impossible_travel",
        "failed_login_user",
        "failed_login_address",
        "account_takeover",
        "mass_deletion",
        "signup_domain",
        "signup_address",
        "unsafe_content",
        "hostile_images",
        "kpi_drift",
        "page_test",
        "pipeline_record_defect",
        "pipeline_refused_records",
        "pipeline_stray_key",
        "pipeline_poison_record",
        "pipeline_fact_defect",
        "pipeline_user_refused",
        "pipeline_query_failed",
        "storm_digest",
        "pipeline_schema_drift",
        "pipeline_silent_source",
        "pipeline_behind",
        "pipeline_dead_letters",
        "pipeline_rules_invalid",
    ]
    assert texts["pipeline_stray_key"].runbook == "Stray key"


def test_a_fact_about_a_limit_gets_the_texts_of_that_limit() -> None:
    (fact,) = fold(series([91], metric="disk_usage")).facts

    text = default_rules().texts()[fact.rule_id].about(fact)

    assert text.runbook == "Static limit"
    assert text.impact == "Once the disk is full, every write on this source fails."
    assert text.next_steps[1] == "Delete or rotate logs and temporary files"


def test_a_fact_about_a_limit_that_is_gone_gets_the_texts_of_the_rule() -> None:
    (fact,) = fold(series([91], metric="disk_usage")).facts
    renamed = load_rules(DEFAULT.replace('metric = "disk_usage"', 'metric = "volume_usage"'))

    text = renamed.texts()[fact.rule_id].about(fact)

    assert text.impact == "A limit that holds for every source is exceeded."


def test_a_fact_about_a_baseline_gets_the_texts_of_the_rule() -> None:
    (fact,) = fold(series([*[48.0, 52.0] * 100, 80], metric="orders")).facts

    text = default_rules().texts()[fact.rule_id].about(fact)

    assert text.runbook == "Metric baseline"
