import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from pipeline.cli.incidents import metric_puts, planted_incidents
from pipeline.events import SystemMetric, decode

UNTIL = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def _points() -> dict[str, list[SystemMetric]]:
    series = defaultdict(list)
    for put in metric_puts(random.Random(3), UNTIL):
        event = decode(put.data)
        assert isinstance(event, SystemMetric)
        series[f"{event.source}/{event.metric_name}"].append(event)
    return series


def test_each_series_has_a_point_every_three_minutes_for_eight_hours() -> None:
    points = _points()

    assert len(points) == 7
    assert {len(series) for series in points.values()} == {160}
    for series in points.values():
        moments = [point.timestamp for point in series]
        assert moments == sorted(moments)
        assert UNTIL - moments[0] <= timedelta(hours=8)


def test_five_incidents_are_planted() -> None:
    keys = [incident.dedup_key for incident in planted_incidents(UNTIL)]

    assert keys == [
        "static_limit#web-7/cpu_usage",
        "static_limit#db-1/disk_usage",
        "static_limit#checkout/error_rate",
        "metric_baseline#checkout/response_time",
        "metric_baseline#shop/orders_per_minute",
    ]


def test_a_series_goes_wrong_within_its_incident_only() -> None:
    high = [p for p in _points()["web-7/cpu_usage"] if p.value > 90]

    incident = planted_incidents(UNTIL)[0]
    assert len(high) == 10
    assert all(incident.starts_at <= p.timestamp <= incident.ends_at for p in high)


def test_a_spike_is_one_point() -> None:
    high = [p for p in _points()["checkout/response_time"] if p.value > 300]

    assert len(high) == 1
