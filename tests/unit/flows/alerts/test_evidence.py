import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detection.anomaly import Anomaly
from pipeline.flows.alerts.evidence import archive_uri, evidence_query, silence_command
from pipeline.flows.alerts.silence import Matcher
from tests.fakes.alerts import NOON, cpu_fact
from tests.unit.flows.alerts.samples import ALERT_ID, FIRST, WHERE, hostile_facts

PAYMENT = cpu_fact(rule_id="transaction_velocity", labels={"user_id": "u-1"}, window_s=86_400)
LOGIN = cpu_fact(rule_id="failed_login_user", labels={"user_id": "u-1"}, event_id="shard-0:42")


def test_a_series_is_queried_from_an_hour_before_the_alert_to_its_newest_event() -> None:
    query = evidence_query(cpu_fact(), FIRST, WHERE)

    assert query == (
        "aws dynamodb query --table-name shop-metrics"
        " --key-condition-expression 'series_day = :k AND event_key BETWEEN :a AND :b'"
        " --expression-attribute-values"
        """ '{":k": {"S": "web-7#cpu_usage#2026-03-01"}, ":a": {"S": "2026-03-01T10:56:00"},"""
        """ ":b": {"S": "2026-03-01T11:56:00~"}}'"""
    )


def test_a_series_is_queried_within_the_day_of_its_newest_event() -> None:
    midnight = datetime(2026, 3, 2, 0, 5, tzinfo=UTC)
    occasion = replace(FIRST, last_seen_at=midnight)

    query = evidence_query(cpu_fact(occurred_at=midnight), occasion, WHERE)

    assert query is not None
    assert _values(query) == {
        ":k": {"S": "web-7#cpu_usage#2026-03-02"},
        ":a": {"S": "2026-03-02T00:00:00"},
        ":b": {"S": "2026-03-02T00:05:00~"},
    }


def test_the_separator_in_a_name_is_escaped_as_in_the_table() -> None:
    fact = cpu_fact(labels={"source": "rack#7", "metric_name": "cpu%"})

    query = evidence_query(fact, FIRST, WHERE)

    assert query is not None
    assert _values(query)[":k"] == {"S": "rack%237#cpu%25#2026-03-01"}


def test_payments_are_queried_by_user_over_the_whole_window() -> None:
    query = evidence_query(PAYMENT, FIRST, WHERE)

    assert query is not None
    assert query.startswith(
        "aws dynamodb query --table-name shop-transactions --index-name by_user"
    )
    assert _values(query) == {
        ":k": {"S": "u-1"},
        ":a": {"S": "2026-02-28T11:56:00"},
        ":b": {"S": "2026-03-01T11:56:00~"},
    }


def test_sign_ins_are_looked_up_in_the_lake_by_their_ids() -> None:
    query = evidence_query(LOGIN, replace(FIRST, event_ids=("e-1", "shard-0:42")), WHERE)

    assert query == (
        "aws s3 sync s3://shop-lake/events/dt=2026-03-01/hour=11/ lake/dt=2026-03-01/hour=11/"
        " && gzip -dc lake/dt=2026-03-01/hour=11/*.gz | grep -F -e shard-0:42 -e e-1"
    )


def test_a_user_whose_id_is_an_address_is_looked_up_by_event() -> None:
    fact = cpu_fact(rule_id="transaction_amount", labels={"user_id": "jane@example.com"})

    query = evidence_query(fact, FIRST, WHERE)

    assert query is not None
    assert query.endswith("grep -F -e e-1")


def test_facts_that_come_from_no_event_are_shown_themselves() -> None:
    fact = cpu_fact(rule_id="pipeline_stray_key", archived_at=None)

    assert evidence_query(fact, FIRST, WHERE) == (
        f"streamwarden alerts show --stack shop-prod {ALERT_ID}"
    )
    assert archive_uri(fact, WHERE) is None


def test_a_local_run_needs_no_stack_and_knows_fewer_places() -> None:
    local = replace(WHERE, stack="", lake_bucket="", metrics_table="")

    assert evidence_query(cpu_fact(), FIRST, local) == f"streamwarden alerts show {ALERT_ID}"
    assert archive_uri(cpu_fact(), local) is None


def test_an_event_that_came_late_is_looked_up_in_the_hour_of_its_arrival() -> None:
    late = msgspec.structs.replace(LOGIN, archived_at=NOON + timedelta(hours=3))

    query = evidence_query(late, FIRST, WHERE)

    assert archive_uri(late, WHERE) == "s3://shop-lake/events/dt=2026-03-01/hour=15/"
    assert query is not None
    assert query.startswith("aws s3 sync s3://shop-lake/events/dt=2026-03-01/hour=15/ ")


def test_the_silence_names_rule_and_subject() -> None:
    assert silence_command(cpu_fact(), WHERE) == (
        "streamwarden silence add --stack shop-prod --rule static_limit"
        " --subject web-7/cpu_usage --for 2h --reason 'WHY'"
    )


@pytest.mark.parametrize(
    "subject", ["jane@example.com", "203.0.113.9", "x" * 300, "https://evil.example", "a\nb", ""]
)
def test_a_subject_that_cannot_be_shown_stands_in_no_silence(subject: str) -> None:
    assert silence_command(cpu_fact(subject=subject), WHERE) is None


@given(st.text(min_size=1, max_size=40).filter(str.isprintable))
def test_a_silence_means_this_subject_alone_and_survives_a_shell(text: str) -> None:
    fact = cpu_fact(subject=text)

    command = silence_command(fact, WHERE)

    if command is not None:
        pattern = shlex.split(command)[8]
        assert Matcher(subject=pattern).fits(fact, "high")
        assert not Matcher(subject=pattern).fits(cpu_fact(subject=text + "x"), "high")


@given(hostile_facts, st.lists(st.text(max_size=40), max_size=4).map(tuple))
def test_a_query_for_anything_is_one_line_of_words_that_a_shell_reads(
    fact: Anomaly, event_ids: tuple[str, ...]
) -> None:
    query = evidence_query(fact, replace(FIRST, event_ids=event_ids), WHERE)

    assert query is not None
    assert query.isprintable()
    words = shlex.split(query)
    assert words[0] in {"aws", "streamwarden"}
    assert "jane@example.com" not in query


def _values(query: str) -> dict[str, dict[str, str]]:
    values: dict[str, dict[str, str]] = json.loads(shlex.split(query)[-1])
    return values
