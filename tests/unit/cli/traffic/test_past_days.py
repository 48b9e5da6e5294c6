from collections import Counter
from datetime import UTC, datetime, timedelta

from pipeline.cli.traffic.past_days import past_days
from pipeline.events import decode, partition_key

UNTIL = datetime(2026, 11, 21, 0, 20, tzinfo=UTC)


def test_each_of_the_ten_days_before_has_twelve_clicks_of_as_many_customers() -> None:
    traffic = past_days(7, UNTIL)

    events = [decode(put.data) for put in traffic.puts]
    days = Counter(event.timestamp.date() for event in events)
    users = {(event.timestamp.date(), partition_key(event)) for event in events}
    first, last = min(days), max(days)
    assert (first.isoformat(), last.isoformat()) == ("2026-11-11", "2026-11-20")
    assert set(days.values()) == {12}
    assert len(users) == 120


def test_they_lie_before_the_traffic_in_their_order() -> None:
    moments = [put.at for put in past_days(7, UNTIL).puts]

    assert moments == sorted(moments)
    assert moments[-1] < UNTIL


def test_an_unusual_day_is_that_of_the_traffic_or_the_one_in_which_it_began() -> None:
    incidents = past_days(7, UNTIL).incidents

    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    assert {incident.rule_id for incident in incidents} == {"kpi_drift"}
    for incident in incidents:
        assert incident.starts_at <= midnight - timedelta(days=1)
        assert incident.ends_at >= midnight
