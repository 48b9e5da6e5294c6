import json
from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner

from pipeline.cli.traffic.command import incident_lines, stream_puts, traffic
from pipeline.cli.traffic.simulation import Simulation

UNTIL = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ARGUMENTS = ["--records", "1300", "--end", "2026-11-21T09:30"]


def test_events_are_json_lines_and_the_incidents_are_listed_beside_them() -> None:
    result = CliRunner().invoke(traffic, ARGUMENTS)

    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert len(events) == 1300
    assert events[-1]["timestamp"] < "2026-11-21T09:30:00.000+00:00"
    assert "static_limit#web-7/cpu_usage" in result.stderr


def test_the_list_alone_goes_to_standard_output() -> None:
    result = CliRunner().invoke(traffic, [*ARGUMENTS, "--list", "--json"])

    incidents = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.stderr == ""
    assert len(incidents) == 11
    assert incidents[0] == {
        "title": "web-7: CPU at 97 %",
        "rule_id": "static_limit",
        "dedup_key": "static_limit#web-7/cpu_usage",
        "starts_at": "2026-11-21T08:15:00.000+00:00",
        "ends_at": "2026-11-21T08:45:00.000+00:00",
    }


def test_two_commands_of_the_same_seed_and_end_list_the_same() -> None:
    first = list(incident_lines(Simulation(1300, 7, UNTIL).incidents))

    second = list(incident_lines(Simulation(3000, 7, UNTIL).incidents))

    assert first == second


def test_too_few_records_are_a_wrong_usage() -> None:
    result = CliRunner().invoke(traffic, ["--records", "100"])

    assert result.exit_code == 2
    assert "more than 100; give more --records or fewer --hours" in result.stderr


def test_what_is_put_keeps_the_ids_of_the_simulation() -> None:
    simulation = Simulation(1300, 7, UNTIL)

    ids = [put.user_records[0].event_id for put in stream_puts(simulation, UNTIL)]

    assert ids == [event.fields["event_id"] for event in simulation.events()]


def test_events_of_the_future_are_a_wrong_usage() -> None:
    puts = stream_puts(Simulation(1300, 7, UNTIL), UNTIL - timedelta(hours=2))

    with pytest.raises(click.UsageError, match=r"mind --end: .* more than 1 hour after"):
        list(puts)
