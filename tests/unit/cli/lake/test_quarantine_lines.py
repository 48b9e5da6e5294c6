import base64
import gzip

import pytest

from pipeline.cli.lake.quarantine_lines import event_type, explain, general_reason, visible
from pipeline.flows.events.lake import QuarantineLine
from pipeline.records import AGGREGATE_MAGIC

METRIC = b'{"event_type":"system_metric","value":"high"}'


def _line(number: int, data: bytes, reason: str, path: str = "$") -> QuarantineLine:
    return QuarantineLine(
        record_id=f"shardId-0:{number}",
        shard_id="shardId-0",
        sequence_number=str(number),
        partition_key="web-7",
        arrived_at=f"2026-03-01T12:00:{number:02}.000000Z",
        reason=reason,
        path=path,
        data=base64.b64encode(data).decode(),
    )


def test_records_with_one_fault_are_one_group_and_the_largest_comes_first() -> None:
    wrong_type = "Expected `float`, got `str`"
    lines = [
        _line(1, b"{", "not JSON: it breaks off"),
        _line(2, METRIC, wrong_type, "$.value"),
        _line(3, METRIC, wrong_type, "$.value"),
        _line(4, METRIC, wrong_type, "$.tags"),
    ]

    groups = explain(lines)

    assert [(group.count, group.event_type, group.path, group.reason) for group in groups] == [
        (2, "system_metric", "$.value", wrong_type),
        (1, "(not JSON)", "$", "not JSON: it breaks off"),
        (1, "system_metric", "$.tags", wrong_type),
    ]
    assert (groups[0].first_at[17:19], groups[0].last_at[17:19]) == ("02", "03")


def test_a_record_that_stands_in_two_objects_counts_once() -> None:
    line = _line(1, b"{", "not JSON: it breaks off")

    (group,) = explain([line, line])

    assert group.count == 1


def test_a_group_keeps_the_first_three_as_samples() -> None:
    lines = [_line(number, b"{", "not JSON: it breaks off") for number in range(5)]

    (group,) = explain(lines)

    assert [line.sequence_number for line in group.samples] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("reason", "general"),
    [
        (
            "2026-04-01T12:00:00+00:00 is more than 1 hour after 2026-03-01T12:00:00.123+00:00",
            "(time) is more than 1 hour after (time)",
        ),
        ("300001 bytes, the limit is 262144", "N bytes, the limit is 262144"),
        ("not UTF-8: byte 0xff at 17", "not UTF-8: byte 0xNN at N"),
        ("not JSON: invalid character (byte 12)", "not JSON: invalid character (byte N)"),
        ("Expected `str` of length <= 128", "Expected `str` of length <= 128"),
    ],
)
def test_a_reason_loses_the_figures_of_its_record_and_keeps_the_rules(
    reason: str, general: str
) -> None:
    text = general_reason(reason)

    assert text == general


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (METRIC, "system_metric"),
        (gzip.compress(METRIC, mtime=0), "system_metric"),
        (b'{"event_type":"ada@example.org"}', "(unknown)"),
        (b"[1]", "(unknown)"),
        (b"{", "(not JSON)"),
        (b"\xff", "(not JSON)"),
        (gzip.compress(METRIC, mtime=0)[:-4], "(gzip)"),
        (AGGREGATE_MAGIC + b"?", "(KPL aggregate)"),
    ],
)
def test_the_event_type_is_told_as_far_as_it_can_be_recognised(data: bytes, kind: str) -> None:
    recognised = event_type(data)

    assert recognised == kind


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("Zoë\n".encode(), "Zoë\n"),
        (b"\x1b[2J\r\t", r"\x1b[2J\r\t"),
        ("\u202e".encode(), r"\u202e"),
        (b"\xff\x00a", "ff 00 61"),
        (b"123456789", "12345678"),
    ],
)
def test_bytes_are_shown_without_power_over_the_terminal(data: bytes, shown: str) -> None:
    text = visible(data, 8)

    assert text == shown
