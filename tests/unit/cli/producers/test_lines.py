import io
import json
from datetime import UTC, datetime, timedelta

from pipeline.cli.producers.lines import Accepted, Line, Refused, check, check_lines, read_lines

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
METRIC = (
    b'{"event_type":"system_metric","metric_name":"cpu_usage","value":42.5,'
    b'"timestamp":"2026-11-21T09:29:00Z","source":"web-1"}'
)


def _read(data: bytes) -> list[Line]:
    return list(read_lines(io.BytesIO(data)))


def test_lines_are_numbered_from_one_and_blank_ones_are_left_out() -> None:
    assert _read(b'{"a":1}\n\n \r\n  {"b":2}\r\n{"c":3}') == [
        Line(1, b'{"a":1}'),
        Line(4, b'{"b":2}'),
        Line(5, b'{"c":3}'),
    ]


def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it() -> None:
    assert _read(b'\xef\xbb\xbf{"a":1}\n') == [Line(1, b'{"a":1}')]


def test_a_line_longer_than_any_event_is_cut_and_counts_as_one() -> None:
    first, second = _read(b"x" * 2_000_000 + b"\n" + b"{}\n")

    assert (first.number, len(first.text), first.is_cut) == (1, 524_288, True)
    assert second == Line(2, b"{}")


def test_an_event_is_put_under_the_key_of_the_contract_as_it_was_written() -> None:
    text = METRIC.replace(b"{", b'{"event_id":"e-1", ', 1)

    fate = check(Line(3, text), NOW)

    assert isinstance(fate, Accepted)
    assert (fate.line, fate.put.partition_key, fate.put.data) == (3, "web-1", text)
    assert fate.put.user_records[0].event_type == "system_metric"
    assert fate.put.user_records[0].event_id == "e-1"


def test_an_event_without_an_id_gets_one_made_of_its_bytes() -> None:
    first, again = check(Line(1, METRIC), NOW), check(Line(9, METRIC), NOW + timedelta(hours=1))
    other = check(Line(1, METRIC.replace(b"42.5", b"42.6")), NOW)

    assert isinstance(first, Accepted)
    assert isinstance(again, Accepted)
    assert isinstance(other, Accepted)
    assert first.put.data == again.put.data
    put = json.loads(first.put.data)
    assert put == json.loads(METRIC) | {"event_id": first.put.user_records[0].event_id}
    assert len(put["event_id"]) == 32
    assert put["event_id"] != json.loads(other.put.data)["event_id"]


def test_a_line_that_breaks_the_contract_is_refused_with_its_place() -> None:
    fate = check(Line(7, METRIC.replace(b"42.5", b'"hot"')), NOW)

    assert fate == Refused(7, "$.value", "Expected `float`, got `str`")


def test_a_timestamp_is_judged_as_if_the_record_arrived_now() -> None:
    assert isinstance(check(Line(1, METRIC), NOW), Accepted)

    fate = check(Line(1, METRIC), NOW - timedelta(hours=2))

    assert isinstance(fate, Refused)
    assert fate.path == "$.timestamp"
    assert "more than 1 hour after the arrival" in fate.reason


def test_a_cut_line_is_refused_for_its_length() -> None:
    fate = check(Line(1, b"{", is_cut=True), NOW)

    assert fate == Refused(1, "$", "more than 262144 bytes, the limit")


def test_an_event_whose_id_makes_it_too_long_is_refused() -> None:
    room = 262_144 - len(METRIC)
    longest = METRIC.replace(b"{", b"{" + b" " * room, 1)

    fate = check(Line(1, longest), NOW)

    assert fate == Refused(1, "$", "262190 bytes with its event id, the limit is 262144")


def test_fates_come_in_the_order_of_the_lines() -> None:
    fates = list(check_lines(io.BytesIO(b"[]\n" + METRIC + b"\n{\n"), lambda: NOW))

    assert [(type(fate), fate.line) for fate in fates] == [
        (Refused, 1),
        (Accepted, 2),
        (Refused, 3),
    ]
