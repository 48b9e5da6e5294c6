from datetime import UTC, datetime, timedelta

from pipeline.cli.traffic.incidents import SERIES, Series, metric_incidents, metric_points
from pipeline.cli.traffic.shoppers import Simulated

UNTIL = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def _points(source: str, metric_name: str) -> list[Simulated]:
    (series,) = [one for one in SERIES if (one.source, one.metric_name) == (source, metric_name)]
    return list(metric_points(3, series, UNTIL))


def test_each_series_has_a_point_every_three_minutes_in_the_order_of_time() -> None:
    series = Series("web-1", "cpu_usage", "%", 40.0, 4.0)

    moments = [point.at for point in metric_points(3, series, UNTIL, timedelta(hours=10))]

    assert len(SERIES) == 7
    assert len(moments) == 200
    assert moments == sorted(moments)
    assert UNTIL - moments[0] <= timedelta(hours=10)


def test_five_incidents_are_planted() -> None:
    incidents = metric_incidents(UNTIL)

    assert [incident.dedup_key for incident in incidents] == [
        "static_limit#web-7/cpu_usage",
        "static_limit#db-1/disk_usage",
        "static_limit#checkout/error_rate",
        "metric_baseline#search/response_time",
        "metric_baseline#shop/orders_per_minute",
    ]
    assert incidents[4].rule_id == "metric_baseline"


def test_a_series_goes_wrong_within_its_incident_only() -> None:
    high = [p for p in _points("web-7", "cpu_usage") if p.fields["value"] > 90]

    incident = metric_incidents(UNTIL)[0]
    assert len(high) == 10
    assert all(incident.starts_at <= p.at <= incident.ends_at for p in high)


def test_a_spike_is_one_point() -> None:
    high = [p for p in _points("search", "response_time") if p.fields["value"] > 300]

    assert len(high) == 1
