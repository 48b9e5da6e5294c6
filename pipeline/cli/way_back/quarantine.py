"""`streamwarden quarantine`: what the event flow refused, where it is, and why."""

import base64
import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click

from pipeline.cli.lake.quarantine_lines import (
    Found,
    Group,
    StoredObject,
    event_type,
    explain,
    find_record,
    list_objects,
    raw_bytes,
    read_lines,
    visible,
)
from pipeline.cli.moments import MomentType, utc_now
from pipeline.cli.stack import EXIT_NOTHING, Stack, reading, stack_option
from pipeline.cli.tables import Column, print_json, print_table, remark, table
from pipeline.errors import InvalidRecordError
from pipeline.flows.alerts.texts import clean
from pipeline.flows.events.lake import QuarantineLine
from pipeline.records import unpack

MAX_SHOWN: Final = 4096
"""Characters or bytes of a record that `show` prints; `--raw` has all of them."""

_MAX_TEXT_CHARS: Final = 300

_since_option = click.option(
    "--since",
    type=MomentType(utc_now),
    default="24h",
    show_default=True,
    help="From this hour of arrival on: an age such as 7d, a date or time.",
)
_until_option = click.option(
    "--until", type=MomentType(utc_now), help="Up to this hour of arrival, in the same forms."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def quarantine() -> None:
    """Read what a stack refused."""


@quarantine.command("list")
@stack_option
@_since_option
@_until_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many of the newest objects to read.",
)
@_json_option
def list_(
    stack_name: str | None,
    since: datetime,
    until: datetime | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List the objects of quarantine, the newest first.

    An object has the refused records of one batch. The exit code is 1 when there is none.
    """
    with reading(stack_name) as stack:
        read = _read_newest(stack, since, until, limit)
    if as_json:
        print_json([_object_fields(one, lines) for one, lines in read])
    elif read:
        columns = (
            Column("arrived (UTC)"),
            Column("to"),
            Column("records", is_figure=True),
            Column("bytes", is_figure=True),
            Column("first record id"),
        )
        rows = [
            (
                _moment(min(line.arrived_at for line in lines)),
                _moment(max(line.arrived_at for line in lines))[11:],
                f"{len(lines):,}",
                f"{one.size_bytes:,}",
                lines[0].record_id,
            )
            for one, lines in read
        ]
        print_table(table("Objects of quarantine, newest first", columns, rows))
    _end_if_nothing(read)


@quarantine.command("explain")
@stack_option
@_since_option
@_until_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="How many of the newest objects to read.",
)
@_json_option
def explain_(
    stack_name: str | None,
    since: datetime,
    until: datetime | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Group what was refused by event type, JSON path and reason.

    Tells counts and samples. Reads the newest objects up to the limit. The exit code is 1 when
    there is none.
    """
    with reading(stack_name) as stack:
        read = _read_newest(stack, since, until, limit)
    groups = explain(line for _, lines in read for line in lines)
    if as_json:
        print_json([_group_fields(group) for group in groups])
    elif groups:
        _print_groups(groups)
    _end_if_nothing(read)


@quarantine.command("show")
@click.argument("record_id")
@stack_option
@click.option("--raw", "as_raw", is_flag=True, help="Write the record's bytes, nothing else.")
@_json_option
def show(record_id: str, stack_name: str | None, *, as_raw: bool, as_json: bool) -> None:
    """Show one refused record with its bytes.

    They may hold personal data. RECORD_ID is shardId:sequenceNumber, with a third part for a record
    of a KPL aggregate; `list` and `explain` print it. The exit code is 1 when there is no such
    record.
    """
    if as_raw and as_json:
        raise click.UsageError("--raw and --json exclude each other")
    with reading(stack_name) as stack:
        s3, bucket = stack.client("s3"), stack.output("LakeBucketName")
        found = find_record(s3, bucket, list_objects(s3, bucket), record_id)
    if found is None:
        remark(f"quarantine has no record {record_id}")
        raise SystemExit(EXIT_NOTHING)
    if as_raw:
        click.echo(raw_bytes(found.line), nl=False)
    elif as_json:
        print_json(_record_fields(found, bucket))
    else:
        _print_record(found, bucket)


def _read_newest(
    stack: Stack, since: datetime, until: datetime | None, limit: int
) -> list[tuple[StoredObject, list[QuarantineLine]]]:
    """Read the newest objects, the newest first, and say how many are left out."""
    s3, bucket = stack.client("s3"), stack.output("LakeBucketName")
    objects = list_objects(s3, bucket, since, until)
    if len(objects) > limit:
        remark(f"{len(objects) - limit} older objects are not read: raise --limit")
    newest = sorted(objects, key=lambda one: one.key, reverse=True)[:limit]
    read = [(one, list(read_lines(s3, bucket, one.key))) for one in newest]
    return [(one, lines) for one, lines in read if lines]


def _end_if_nothing(read: Sequence[object]) -> None:
    if not read:
        remark("nothing was refused in this time")
        raise SystemExit(EXIT_NOTHING)


def _print_groups(groups: Sequence[Group]) -> None:
    columns = (
        Column("", is_figure=True),
        Column("count", is_figure=True),
        Column("event type"),
        Column("path"),
        Column("reason", is_whole=False),
        Column("first (UTC)"),
        Column("last (UTC)"),
    )
    rows = [
        (
            str(number),
            f"{group.count:,}",
            group.event_type,
            clean(group.path, _MAX_TEXT_CHARS),
            clean(group.reason, _MAX_TEXT_CHARS),
            _moment(group.first_at),
            _moment(group.last_at),
        )
        for number, group in enumerate(groups, 1)
    ]
    print_table(table("Refused records by fault", columns, rows))
    click.echo("Samples, for `streamwarden quarantine show`")
    for number, group in enumerate(groups, 1):
        for sample in group.samples:  # no table: an id that is cut or folded cannot be copied
            click.echo(f"{number:>2}  {sample.record_id}  {clean(sample.reason, _MAX_TEXT_CHARS)}")


def _print_record(found: Found, bucket: str) -> None:
    line = found.line
    data, told = _payload(raw_bytes(line))
    facts = {
        "record id": line.record_id,
        "reason": clean(line.reason, _MAX_TEXT_CHARS),
        "path": clean(line.path, _MAX_TEXT_CHARS),
        "event type": event_type(raw_bytes(line)),
        "arrived": f"{_moment(line.arrived_at)} UTC",
        "shard": line.shard_id,
        "sequence number": line.sequence_number,
        "partition key": clean(line.partition_key, _MAX_TEXT_CHARS),
        "object": f"s3://{bucket}/{found.key}",
        "fetch": fetch_command(found, bucket),
        "record": told,
    }
    for name, text in facts.items():
        click.echo(f"{name + ':':<17}{text}")
    click.echo(f"\n{visible(data, MAX_SHOWN)}")
    if len(data) > MAX_SHOWN:
        remark(f"it goes on after {MAX_SHOWN:,}: --raw writes all of it")


def fetch_command(found: Found, bucket: str) -> str:
    """Return the shell command that writes the record's bytes, without this program."""
    query = f'select(.record_id == "{found.line.record_id}").data'
    return (
        f"aws s3 cp {shlex.quote(f's3://{bucket}/{found.key}')} - | gunzip | "
        f"jq -r {shlex.quote(query)} | base64 --decode"
    )


def _payload(data: bytes) -> tuple[bytes, str]:
    """Return what there is to see of a record, decompressed if that is possible, and what it is."""
    try:
        plain = unpack(data)
    except InvalidRecordError as error:
        return data, f"{len(data):,} bytes, {error.reason}"
    if len(plain) == len(data):
        return data, f"{len(data):,} bytes"
    return plain, f"{len(data):,} bytes, unpacked to {len(plain):,}"


def _object_fields(one: StoredObject, lines: Sequence[QuarantineLine]) -> dict[str, Any]:
    return {
        "key": one.key,
        "size_bytes": one.size_bytes,
        "shard_id": one.shard_id,
        "first_arrived_at": min(line.arrived_at for line in lines),
        "last_arrived_at": max(line.arrived_at for line in lines),
        "records": len(lines),
        "record_ids": [line.record_id for line in lines],
    }


def _group_fields(group: Group) -> dict[str, Any]:
    return {
        "event_type": group.event_type,
        "path": clean(group.path, _MAX_TEXT_CHARS),
        "reason": clean(group.reason, _MAX_TEXT_CHARS),
        "count": group.count,
        "first_arrived_at": group.first_at,
        "last_arrived_at": group.last_at,
        "samples": [
            {"record_id": line.record_id, "reason": clean(line.reason, _MAX_TEXT_CHARS)}
            for line in group.samples
        ],
    }


def _record_fields(found: Found, bucket: str) -> dict[str, Any]:
    line = found.line
    data = raw_bytes(line)
    return {
        "record_id": line.record_id,
        "reason": line.reason,
        "path": line.path,
        "event_type": event_type(data),
        "arrived_at": line.arrived_at,
        "shard_id": line.shard_id,
        "sequence_number": line.sequence_number,
        "partition_key": line.partition_key,
        "object": f"s3://{bucket}/{found.key}",
        "fetch": fetch_command(found, bucket),
        "size_bytes": len(data),
        "data": base64.b64encode(data).decode(),
    }


def _moment(text: str) -> str:
    """Shorten a stored moment for a table."""
    return text[:19].replace("T", " ")
