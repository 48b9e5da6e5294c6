"""The parts of the demo's report about users, images and jobs."""

from collections.abc import Iterator
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.cli.analytics_ledger import AnalyticsResult
from pipeline.cli.images_ledger import ImageLine
from pipeline.cli.jobs_ledger import JobsLine
from pipeline.cli.moderation import moderation_table
from pipeline.cli.product import ProductResult
from pipeline.cli.users_ledger import UsersLine
from pipeline.images import UPLOADS_PREFIX

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
    """Lay out the queries with their first figures."""
    table = _table("Queries over the lake, run by DuckDB in Athena's place", "query", "period")
    table.add_column("status")
    table.add_column("read, bytes", justify="right")
    table.add_column("figures", overflow="fold")
    for row in result.rows:
        figures = [f"{name} {value:,.6g}" for name, value in sorted(row.figures.items())]
        more = [f"{len(figures) - _SHOWN} more"] if len(figures) > _SHOWN else []
        shown = ", ".join([*figures[:_SHOWN], *more])
        table.add_row(row.query, row.period, row.status, f"{row.scanned_bytes:,}", shown)
    return table


def users_table(lines: tuple[UsersLine, ...]) -> Table:
    """Lay out what became of the users, by kind."""
    table = _table("Users, read back from tables and topic", "users")
    for name in ("written", "profiles", "welcomed", "changes", "audited", "erased", "refused"):
        table.add_column(name, justify="right")
    table.add_column("balance")
    for line in lines:
        figures = (
            line.users,
            line.profiles,
            line.welcomed,
            line.changes,
            line.audited,
            line.erased,
            line.quarantined,
        )
        table.add_row(line.kind, *map(str, figures), _verdict(is_good=line.balances))
    return table


def jobs_table(lines: tuple[JobsLine, ...]) -> Table:
    """Lay out what became of the jobs, by queue and kind."""
    table = _table("Jobs", "queue", "kind")
    for name in ("sent", "done", "dead letters"):
        table.add_column(name, justify="right")
    table.add_column("balance")
    for line in lines:
        figures = map(str, (line.sent, line.done, line.dead))
        table.add_row(line.queue, line.kind, *figures, _verdict(is_good=line.balances))
    return table


def images_table(lines: tuple[ImageLine, ...]) -> Table:
    """Lay out what became of each image; the later bytes are those of all its thumbnails."""
    table = _table("Images, read back from table and bucket")
    table.add_column("image", overflow="fold")
    table.add_column("what it is", overflow="fold")
    table.add_column("bytes", justify="right")
    table.add_column("became", overflow="fold")
    table.add_column("thumbnails")
    table.add_column("bytes", justify="right")
    table.add_column("balance")
    for line in lines:
        table.add_row(
            Text(line.picture.key.removeprefix(UPLOADS_PREFIX)),
            Text(line.picture.looks),
            f"{len(line.picture.body):,}",
            line.fate,
            _sizes(line),
            f"{line.thumbnail_bytes:,}" if line.thumbnails else _NONE,
            _verdict(is_good=not line.wrong),
        )
    table.add_section()
    uploaded = sum(len(line.picture.body) for line in lines)
    made = sum(line.thumbnail_bytes for line in lines)
    count = sum(len(line.thumbnails) for line in lines)
    is_good = not any(line.wrong for line in lines)
    verdict = _verdict(is_good=is_good)
    table.add_row("all", _NONE, f"{uploaded:,}", _NONE, str(count), f"{made:,}", verdict)
    return table


def _sizes(line: ImageLine) -> str:
    if not line.thumbnails:
        return _NONE
    largest = line.thumbnails[0]
    return f"{len(line.thumbnails)}, {largest.width} x {largest.height}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in columns:
        table.add_column(name)
    return table


def _verdict(*, is_good: bool) -> str:
    return "ok" if is_good else "WRONG"


def _few(noun: str, wrong: list[str]) -> Iterator[str]:
    """Name the first, and how many more there are."""
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        yield f"{noun}: {wrong[0]}{more}"
