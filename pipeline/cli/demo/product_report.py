"""The parts of the demo's report about users, images and jobs."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from rich.table import Table

from pipeline.cli.demo.ledgers.analytics import AnalyticsResult, QueryRow
from pipeline.cli.demo.ledgers.images import ImageLine
from pipeline.cli.demo.ledgers.jobs import JobsLine
from pipeline.cli.demo.ledgers.users import UsersLine
from pipeline.cli.demo.moderation import moderation_table
from pipeline.cli.demo.product import ProductResult
from pipeline.cli.tables import Column, figures, table, verdict

_NONE: Final = ""
_SHOWN: Final = 4
"""Figures of a query that its line names."""


def product_tables(result: ProductResult) -> Iterator[Table]:
    """Lay out everything about the product's sources."""
    yield users_table(result.users)
    yield jobs_table(result.jobs)
    yield images_table(result.images)
    if result.declared.image:
        yield moderation_table(result.declared)


def product_problems(result: ProductResult) -> Iterator[str]:
    """Say in plain words what is wrong."""
    for users in result.users:
        yield from _few(f"{users.kind} users", users.wrong)
    for jobs in result.jobs:
        yield from _few(jobs.queue, jobs.wrong)
    for image in result.images:
        if image.wrong:
            yield f"{image.picture.key}: {image.wrong}"


def analytics_table(result: AnalyticsResult) -> Table:
    """Lay out the queries with their first figures, days that are alike in one row."""
    columns = (
        Column("query"),
        Column("period", is_whole=False),
        Column("status"),
        *figures("bytes read"),
        Column("figures", is_whole=False),
    )
    groups = groupby(result.rows, key=lambda row: (row.query, row.status, row.figures))
    rows = [_query_cells(list(group)) for _, group in groups]
    return table("Queries over the lake, run by DuckDB in Athena's place", columns, rows)


def users_table(lines: tuple[UsersLine, ...]) -> Table:
    """Lay out what became of the users, by kind."""
    fates = figures("put", "profiles", "welcomed", "changes", "audited", "erased", "refused")
    rows = [
        (
            line.kind,
            str(line.users),
            str(line.profiles),
            str(line.welcomed),
            str(line.changes),
            str(line.audited),
            str(line.erased),
            str(line.quarantined),
            verdict(is_good=line.balances),
        )
        for line in lines
    ]
    columns = (Column("users"), *fates, Column("balance"))
    return table("Users, read back from tables and topic", columns, rows)


def jobs_table(lines: tuple[JobsLine, ...]) -> Table:
    """Lay out what became of the jobs, by queue and kind."""
    columns = (
        Column("queue"),
        Column("kind"),
        *figures("sent", "done", "dead letters"),
        Column("balance"),
    )
    rows = [
        (
            line.queue,
            line.kind,
            str(line.sent),
            str(line.done),
            str(line.dead),
            verdict(is_good=line.balances),
        )
        for line in lines
    ]
    return table("Jobs", columns, rows)


def images_table(lines: tuple[ImageLine, ...]) -> Table:
    """Lay out what became of each image, by its name without the folder.

    The later bytes are those of all its thumbnails.
    """
    columns = (
        Column("image"),
        Column("what it is", is_whole=False),
        *figures("bytes"),
        Column("became", is_whole=False),
        Column("thumbnails"),
        *figures("bytes"),
        Column("balance"),
    )
    rows = [
        (
            line.picture.key.rpartition("/")[2],
            line.picture.looks,
            f"{len(line.picture.body):,}",
            line.fate.replace("_", " "),
            _sizes(line),
            f"{line.thumbnail_bytes:,}" if line.thumbnails else _NONE,
            verdict(is_good=not line.wrong),
        )
        for line in lines
    ]
    uploaded = sum(len(line.picture.body) for line in lines)
    made = sum(line.thumbnail_bytes for line in lines)
    count = sum(len(line.thumbnails) for line in lines)
    is_good = not any(line.wrong for line in lines)
    total = (
        *("all", _NONE, f"{uploaded:,}", _NONE),
        *(str(count), f"{made:,}", verdict(is_good=is_good)),
    )
    return table("Images, read back from table and bucket", columns, rows, total)


def _query_cells(alike: list[QueryRow]) -> tuple[str, ...]:
    first, last = alike[0], alike[-1]
    period = first.period if first is last else f"{first.period} to {last.period}"
    named = [f"{name} {value:,.6g}" for name, value in sorted(first.figures.items())]
    more = [f"{len(named) - _SHOWN} more"] if len(named) > _SHOWN else []
    read = sum(row.scanned_bytes for row in alike)
    return first.query, period, first.status, f"{read:,}", ", ".join([*named[:_SHOWN], *more])


def _sizes(line: ImageLine) -> str:
    if not line.thumbnails:
        return _NONE
    largest = line.thumbnails[0]
    return f"{len(line.thumbnails)}, {largest.width}x{largest.height}"


def _few(noun: str, wrong: list[str]) -> Iterator[str]:
    """Name the first, and how many more there are."""
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        yield f"{noun}: {wrong[0]}{more}"
