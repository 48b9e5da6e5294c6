"""Facts, occasions and a storm from which tests make notifications, ordinary and hostile."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from hypothesis import strategies as st

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import RuleText, default_rules
from pipeline.flows.alerts.composing import compose
from pipeline.flows.alerts.notification import Notification
from pipeline.flows.alerts.occasion import Deployment, Occasion, Storm
from tests.fakes.alerts import NOON, cpu_fact

WHERE: Final = Deployment(
    service="streamwarden",
    environment="prod",
    region="eu-west-1",
    runbook_url="https://runbooks.example.com/operations.md",
    alerts_table="alerts",
    stack="shop-prod",
    lake_bucket="shop-lake",
    metrics_table="shop-metrics",
    transactions_table="shop-transactions",
)
RULE: Final = RuleText(
    runbook="Static limit",
    impact="Work on this source queues up and answers take longer.",
    next_steps=(
        "Find the busiest process: top -o %CPU",
        "Genuine load: add capacity",
        "A runaway process: restart it, or roll back the release it came with",
    ),
)
ALERT_ID: Final = "618098af3b1c4d5e9f60718293a4b5c6"
FIRST: Final = Occasion(
    notification_id="n-1",
    alert_id=ALERT_ID,
    thread_id="7f2e1d0c9b8a79685746352413021100",
    reason="first",
    severity="high",
    count=3,
    starts_at=NOON - timedelta(minutes=4),
    last_seen_at=NOON - timedelta(minutes=4),
    ends_at=None,
    detected_at=NOON,
    notified_at=NOON,
    event_ids=("e-1",),
)
ONGOING: Final = replace(FIRST, last_seen_at=NOON - timedelta(seconds=20), count=41)
CALM: Final = cpu_fact(
    edge="cleared",
    title="cpu_usage 62.4% < 80% on web-7",
    observed=62.4,
    occurred_at=NOON - timedelta(seconds=30),
    count=41,
    reasons=("3 points below the clearing level 80%", "99.1% was the highest of 41 points"),
    recent=(97.3, 99.1, 96.4, 91.7, 83.0, 74.2, 66.1, 62.4),
)
OVER: Final = replace(
    ONGOING,
    reason="resolved",
    ends_at=NOON - timedelta(seconds=30),
    last_seen_at=NOON - timedelta(seconds=30),
    ended_by="cleared",
)
STORM: Final = Storm(
    notification_id="n-9",
    digest_id="0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    dedup_key="storm_digest#notifications",
    thread_id="90817263544536271809f0e1d2c3b4a5",
    severity="critical",
    suppressed_count=1240,
    rules=(("static_limit", 1100), ("metric_baseline", 90), ("failed_login_user", 50)),
    rule_count=3,
    subjects=tuple((f"web-{n}/cpu_usage", 12 - n) for n in range(1, 8)),
    subject_count=840,
    starts_at=NOON - timedelta(minutes=5),
    ends_at=NOON,
    notified_at=NOON,
    budget=20,
)

STORMS: Final = default_rules().health.storm_digest

hostile = st.text(max_size=60) | st.sampled_from(
    [
        "\x00" * 50,
        "<!channel> \r\nSubject: pwned",
        "jane@example.com 203.0.113.9 4111111111111111 +49 170 1234567 2001:db8::1",
        "[click](https://evil.example/login) <https://evil.example|ok> www.evil.example",
        "\u202egnp.exe \u2066\u200b\ufeff\u2028end",
        "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033da\u034fl\u0334g\u0319o",
        "\ufdfa" * 90,
        "漢" * 400,
        "a" * 3000,
        "' \" ; rm -rf / $(id) `id` \\ \n&& true",
        "-rf",
        " \t\n",
        "",
    ]
)
figures = st.floats(allow_nan=False, allow_infinity=False)
hostile_facts = st.builds(
    cpu_fact,
    rule_id=hostile
    | st.sampled_from(["static_limit", "transaction_amount", "failed_login_address"]),
    subject=hostile,
    source=hostile,
    title=hostile,
    component=hostile,
    expected=hostile,
    unit=hostile,
    event_id=hostile,
    observed=figures,
    window_s=st.none() | st.integers(0, 10**9),
    reasons=st.lists(hostile, max_size=3).map(lambda reasons: tuple(reasons * 3)),
    recent=st.lists(figures, max_size=5).map(lambda recent: tuple(recent * 20)),
    labels=st.dictionaries(
        hostile | st.sampled_from(["source", "metric_name", "user_id"]), hostile, max_size=5
    ),
)
hostile_occasions = st.builds(
    replace,
    st.sampled_from([FIRST, ONGOING, OVER]),
    reason=st.sampled_from(["first", "severity", "count", "repeat", "group", "acknowledged"]),
    count=st.integers(1, 10**15),
    event_ids=st.lists(hostile, max_size=3).map(tuple),
    members=st.lists(hostile, max_size=3).map(lambda members: tuple(members * 9)),
    member_count=st.integers(1, 10**6),
    suppressed_count=st.integers(0, 10**9),
    told_severity=st.none() | st.just("low"),
    told_count=st.none() | st.integers(1, 10**9),
    actor=hostile,
    note=hostile,
    group=hostile,
)


def notification(
    fact: Anomaly, rule: RuleText | None = RULE, occasion: Occasion = FIRST
) -> Notification:
    """Return the notification of a fact, by default the first one of its alert."""
    return compose(fact, occasion, rule, WHERE)
