"""Hostile texts wherever a stranger's text goes: keys, subjects, queries, rows."""

import re
from typing import Final

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import expressions as sql

from pipeline.errors import InvalidRecordError
from pipeline.flows.alerts.notification import attributes, subject
from pipeline.flows.analytics import queries
from pipeline.flows.thumbnails.keys import source_key, thumbnail_key
from pipeline.images import Image, ImageRefusedError
from tests.fakes.alerts import cpu_fact
from tests.fakes.aws import FakeAws
from tests.hostile_texts import HOSTILE_TEXTS
from tests.unit.flows.alerts.samples import notification
from tests.unit.flows.events.batches import activity, flow, metric, seconds
from tests.write_units import item_size_bytes

SIZES: Final = (1024, 512, 128)


@pytest.mark.parametrize("form", ["uploads/{}/x.png", "uploads/u1/{}", "uploads/{0}/{0}"])
def test_a_hostile_key_is_refused_or_comes_back_and_stays_in_its_folder(form: str) -> None:
    keys = [form.format(text) for text in HOSTILE_TEXTS]

    made = {key: _thumbnail(key) for key in keys}

    kept = {key: thumbnail for key, thumbnail in made.items() if thumbnail}
    assert len(kept) > len(HOSTILE_TEXTS) / 2
    assert {source_key(thumbnail) for thumbnail in kept.values()} == set(kept)
    strangers = [
        thumbnail
        for thumbnail in kept.values()
        if not re.fullmatch(r"thumbnails(/(?!\.)[A-Za-z0-9._-]+)+", thumbnail)
        or len(thumbnail) > 1024
    ]
    assert strangers == []


def test_a_hostile_title_makes_no_subject_that_sns_refuses() -> None:
    alerts = [
        notification(cpu_fact(title=text, subject=text, source=text)) for text in HOSTILE_TEXTS
    ]

    lines = [subject(alert) for alert in alerts]

    assert [line for line in lines if not re.fullmatch(r"[ -~]{1,99}", line)] == []
    assert all(
        0 < len(value) <= 1024 and value.strip()
        for alert in alerts
        for value in attributes(alert).values()
    )


periods = st.dates().map(lambda day: day.isoformat()) | st.sampled_from(
    ["2026-09-21T07", "2026-1-1"]
)
around = st.just("") | st.sampled_from(HOSTILE_TEXTS) | st.text(max_size=9)


@given(periods, around, around)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_no_period_changes_the_shape_of_a_query(moment: str, before: str, after: str) -> None:
    period = before + moment + after
    for query in queries.QUERIES:
        try:
            values = queries.parameters(query, period)
        except InvalidRecordError:
            continue

        assert _shape(query, values) == _shape(query, ("'x'",) * len(values))


@pytest.mark.parametrize(
    ("query", "period"),
    [(name, "2026-09-21T07" if name == "compaction" else "2026-09-21") for name in queries.QUERIES],
)
def test_a_query_gets_each_of_its_values_as_one_literal(query: str, period: str) -> None:
    values = queries.parameters(query, period)

    literals = [sqlglot.parse_one(value, read="athena") for value in values]

    assert [type(literal) for literal in literals] == [sql.Literal] * len(values)
    assert len(list(_parsed(query).find_all(sql.Placeholder))) == len(values)


def test_a_batch_of_hostile_texts_is_stored_or_refused_record_by_record() -> None:
    aws = FakeAws()
    batch = [
        make(number, text, activity_type=text, metric_name=text, location=text)
        for number, (text, make) in enumerate(
            ((text, make) for text in HOSTILE_TEXTS for make in (activity, metric)), start=1
        )
    ]

    report = flow(aws).process(batch, seconds)

    rows = [item for _, item in aws.written]
    assert report.stored + report.quarantined == len(batch)
    assert report.stored > len(HOSTILE_TEXTS)
    assert len(aws.tables["activities"]) + len(aws.tables["metrics"]) == report.stored
    assert max(map(item_size_bytes, rows)) < 4096


def _thumbnail(key: str) -> str:
    """Return the longest key that an image's thumbnails get, empty for one that is refused."""
    image = Image(bucket="content", key=key, version_id="v", sequencer="0064D3")
    if not image.user_id:
        return ""
    try:
        return max((thumbnail_key(image, size, "image/jpeg") for size in SIZES), key=len)
    except ImageRefusedError:
        return ""


def _parsed(query: str) -> sql.Expr:
    return sqlglot.parse_one(queries.sql(query), read="athena")


def _shape(query: str, values: tuple[str, ...]) -> str:
    """Return a query with its values in their places, and each text literal made the same."""
    text = queries.sql(query)
    for value in values:
        text = text.replace("?", value, 1)
    (parsed,) = sqlglot.parse(text, read="athena")
    assert parsed is not None
    for literal in parsed.find_all(sql.Literal):
        if literal.is_string:
            literal.set("this", "")
    return parsed.sql()
