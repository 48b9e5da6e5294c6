"""The contract of `flows.alerts.ports.Silences`, on the fake and on moto."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from moto import mock_aws

from pipeline.adapters.silence_table import DynamoSilences
from pipeline.flows.alerts.ports import Silences
from pipeline.flows.alerts.silence import Matcher, Silence, SilenceRow, Weekly
from tests.fakes.alert_tables import client_with
from tests.fakes.alerts import NOON, FakeSilences


@pytest.fixture(params=["fake", "moto"])
def silences(request: pytest.FixtureRequest) -> Iterator[Silences]:
    if request.param == "fake":
        yield FakeSilences()
        return
    with mock_aws():
        client = client_with(SilencesTable="silences")
        client.put_item(
            TableName="silences", Item={"scope": {"S": "all"}, "silence_id": {"S": "not one"}}
        )
        yield DynamoSilences(client, "silences")


def silence(name: str) -> Silence:
    return Silence(
        silence_id=name,
        owner="ann",
        reason="new disks",
        created_at=NOON,
        starts_at=NOON,
        ends_at=NOON + timedelta(days=2),
        matcher=Matcher(rule="static_limit", labels={"metric_name": "disk_*"}),
        weekly=Weekly(days=("sun",), begins="02:00", minutes=60, timezone="Europe/Berlin"),
    )


def test_silences_are_read_as_they_were_written_in_the_order_of_their_ids(
    silences: Silences,
) -> None:
    silences.add(silence("b"))
    silences.add(silence("a"))

    assert list(silences.all()) == [
        SilenceRow(silence=silence("a")),
        SilenceRow(silence=silence("b")),
    ]


def test_what_a_silence_hides_is_counted(silences: Silences) -> None:
    silences.add(silence("a"))

    silences.count_hidden("a", NOON)
    silences.count_hidden("a", NOON + timedelta(minutes=1))

    (row,) = silences.all()
    assert (row.hidden, row.last_hidden_at) == (2, NOON + timedelta(minutes=1))


def test_a_silence_that_is_removed_is_gone_and_counts_no_more(silences: Silences) -> None:
    silences.add(silence("a"))

    assert silences.remove("a")
    assert not silences.remove("a")

    silences.count_hidden("a", NOON)
    assert list(silences.all()) == []
