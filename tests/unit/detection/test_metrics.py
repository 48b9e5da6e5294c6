from datetime import timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.baseline import Learned
from pipeline.detection.detector import detectors
from pipeline.detection.incidents import Incident, Pace
from pipeline.detection.metrics import MetricDetector, SeriesState
from pipeline.detection.rules import default_rules
from pipeline.detection.series_facts import Usual
from pipeline.events import Money, Transaction
from tests.unit.detection.series import DETECTOR, START, fold, point, series, stored

BUSY = [40, 95, 96, 97]
PATIENT = Pace(open_points=3, open_for_s=60, clear_points=3, clear_for_s=120)
NAMES = st.text(alphabet="a/%2F#", min_size=1, max_size=6)


def patient() -> MetricDetector:
    """Return a detector whose limits wait for three points over a minute."""
    rules = default_rules()
    limits = tuple(
        msgspec.structs.replace(limit, pace=PATIENT) for limit in rules.static_limit.limits
    )
    static_limit = msgspec.structs.replace(rules.static_limit, limits=limits)
    return MetricDetector.under(msgspec.structs.replace(rules, static_limit=static_limit))


def test_the_pipeline_has_five_detectors_without_pools() -> None:
    found = detectors(default_rules())

    assert [(detector.name, detector.version) for detector in found] == [
        ("metric", 2),
        ("payment", 1),
        ("travel", 1),
        ("login_user", 1),
        ("page_test", 1),
    ]


def test_an_event_that_is_no_metric_touches_no_series() -> None:
    payment = Transaction(
        transaction_id="t1", user_id="u1", amount=Money("9.99"), currency="EUR", timestamp=START
    )

    assert DETECTOR.subject(payment) is None


def test_a_slash_in_the_name_of_a_metric_is_escaped() -> None:
    subject = DETECTOR.subject(point(1, metric="disk/used%", source="/srv/web"))

    assert subject == "/srv/web/disk%2Fused%25"


@given(NAMES, NAMES, NAMES, NAMES)
def test_two_series_never_share_a_subject(
    source: str, metric: str, other_source: str, other_metric: str
) -> None:
    one = DETECTOR.subject(point(1, source=source, metric=metric))
    other = DETECTOR.subject(point(1, source=other_source, metric=other_metric))

    assert (one == other) == ((source, metric) == (other_source, other_metric))


def test_the_opening_fact_tells_the_whole_story() -> None:
    (fact,) = fold(series(BUSY, unit="%")).facts

    assert fact.dedup_key == "static_limit#web-7/cpu_usage"
    assert fact.fact_key == "2026-03-02T08:01:00.000000Z#event-1#opened"
    assert fact.opened_at == fact.occurred_at == START + timedelta(minutes=1)
    assert (fact.severity, fact.edge, fact.kind, fact.count) == ("high", "opened", "state", 1)
    assert (fact.observed, fact.threshold, fact.unit) == (95.0, 90.0, "%")
    assert fact.title == "cpu_usage 95% > 90% on web-7"
    assert fact.expected == "at most 90%"
    assert fact.reasons == (
        "95% is above the limit 90%",
        "1 point above the limit so far, highest 95%",
    )
    assert fact.recent == (40.0, 95.0)
    assert fact.labels == {"metric_name": "cpu_usage", "source": "web-7"}
    assert fact.component == "host"


def test_the_cleared_fact_belongs_to_the_opening_one_and_sums_up() -> None:
    opened, cleared = fold(series([*BUSY, 30, 30, 30], unit="%")).facts

    assert cleared.edge == "cleared"
    assert cleared.opened_at == opened.opened_at
    assert cleared.dedup_key == opened.dedup_key
    assert cleared.title == "cpu_usage 30% < 80% on web-7"
    assert cleared.reasons == (
        "30% is below 80% again",
        "3 points above the limit in all, highest 97%",
    )


def test_figures_of_a_limit_are_in_its_own_unit() -> None:
    (fact,) = fold(series([4, 4.5, 6.5], metric="response_time", unit="Seconds")).facts

    assert (fact.observed, fact.unit) == (6500.0, "ms")
    assert fact.recent == (4000.0, 4500.0, 6500.0)
    assert fact.reasons[0] == "6,500 ms is above the limit 5,000 ms"


def test_the_baseline_fact_says_what_was_expected() -> None:
    usual = [48.0, 52.0] * 100

    (fact,) = fold(series([*usual, 80], metric="orders")).facts

    assert fact.dedup_key == "metric_baseline#web-7/orders"
    assert fact.title == "orders unusually high: 80 on web-7"
    assert fact.baseline is not None
    assert fact.baseline.n == 200
    assert fact.baseline.mean == pytest.approx(50, abs=0.5)
    assert fact.baseline.stdev == pytest.approx(2.2, abs=0.1)
    assert fact.expected == "43.23 to 56.31"
    assert fact.score == pytest.approx(13.9, abs=0.1)
    assert fact.reasons == (
        "80 is 13.9 standard deviations above the usual level, expected 43.23 to 56.31",
        (
            "further out than usual peaks are: "
            "5.5 spreads above the largest of 12.5 hours (learned from 0)"
        ),
        "largest deviation 13.9 standard deviations, 1 point unusual so far",
    )


def test_a_hundred_thousand_breaching_points_yield_six_facts() -> None:
    folded = fold(series([95.0] * 100_000))

    assert [fact.count for fact in folded.facts] == [1, 10, 100, 1_000, 10_000, 100_000]
    assert [fact.edge for fact in folded.facts] == ["opened"] + ["escalated"] * 5


@pytest.mark.parametrize("every_s", [1, 60])
def test_a_processor_that_jumps_at_every_point_is_one_incident_of_four_facts(every_s: int) -> None:
    folded = fold(series([0.0, 100.0] * 5_000, every_s))

    assert [fact.count for fact in folded.facts] == [1, 10, 100, 1_000]
    assert [fact.edge for fact in folded.facts] == ["opened"] + ["escalated"] * 3
    assert {fact.dedup_key for fact in folded.facts} == {"static_limit#web-7/cpu_usage"}


def test_a_limit_with_a_pace_opens_at_the_point_that_completes_it() -> None:
    (fact,) = fold(series(BUSY), detector=patient()).facts

    assert (fact.edge, fact.count, fact.observed) == ("opened", 3, 97.0)
    assert fact.opened_at == START + timedelta(minutes=3)
    assert fact.reasons[1] == "3 points above the limit so far, highest 97%"


def test_a_limit_with_a_pace_is_silent_about_a_shorter_breach() -> None:
    busy_for_half_a_minute = [20.0] + [100.0] * 30 + [20.0] * 30

    folded = fold(series(busy_for_half_a_minute, every_s=1), detector=patient())

    assert folded.facts == []


def test_a_limit_with_a_pace_counts_tenfold_from_its_opening() -> None:
    folded = fold(series([95.0] * 3_000), detector=patient())

    assert [fact.count for fact in folded.facts] == [3, 30, 300, 3_000]


def test_while_a_limit_with_a_pace_builds_up_the_baseline_says_nothing() -> None:
    usual = [48.0, 52.0] * 100

    folded = fold(series([*usual, 99, 99, 50]), detector=patient())

    assert folded.facts == []


def test_points_folded_a_second_time_change_nothing() -> None:
    points = series([*BUSY, 99, 98])
    once = fold(points)

    again = fold(points, once.state)

    assert again.facts == []
    assert again.state == once.state


def test_a_point_that_is_late_or_of_the_same_moment_is_not_folded() -> None:
    state = fold(series(BUSY)).state

    late = fold([point(99, at_s=179), point(99, at_s=180)], state)

    assert late.state == state
    assert late.facts == []


def test_the_given_state_is_never_changed() -> None:
    state = fold(series(BUSY)).state
    before = msgspec.msgpack.encode(state)

    fold(series([1, 2, 3, 99]), state)

    assert msgspec.msgpack.encode(state) == before


def test_facts_do_not_depend_on_where_the_state_was_in_between() -> None:
    zone = timezone(timedelta(hours=-7))
    values = [48.0, 52.0] * 60 + [95.0] * 40 + [20.0] * 10
    points = [
        msgspec.structs.replace(event, timestamp=event.timestamp.astimezone(zone))
        for event in series(values)
    ]
    in_memory = fold(points).facts
    state, through_rows = DETECTOR.initial(), list[Anomaly]()

    for i, event in enumerate(points):
        state, found = DETECTOR.fold(stored(state), event, f"event-{i}")
        through_rows += found

    assert len(in_memory) >= 3
    encode = msgspec.json.encode
    assert [encode(fact) for fact in through_rows] == [encode(fact) for fact in in_memory]


def test_the_largest_state_fits_a_row_of_one_kilobyte() -> None:
    number = -1.2345678901234567e99
    incident = Incident(2**40, number, START, "critical", 2**40, 2**40, number)
    learned = Learned(number, bytes(156))
    usual = Usual(10**6, number, number)
    state = SeriesState(number, bytes(64), incident, incident, learned, usual, number, number)

    assert len(msgspec.msgpack.encode(state)) <= 850
    assert stored(state) == state


def test_the_recent_values_are_the_last_sixteen() -> None:
    folded = fold(series(range(100)))

    assert folded.facts[-1].recent == tuple(float(value) for value in range(76, 92))


def test_while_a_limit_is_exceeded_the_baseline_says_nothing() -> None:
    usual = [48.0, 52.0] * 100

    folded = fold(series([*usual, *[99.0] * 9]))

    assert [fact.rule_id for fact in folded.facts] == ["static_limit"]


def test_a_long_source_is_cut_in_the_title_only() -> None:
    points = [point(95, 60 * i, source="x" * 256) for i in range(3)]

    (fact,) = fold(points).facts

    assert len(fact.title) == 80
    assert fact.title.endswith("...")
    assert fact.source == "x" * 256
