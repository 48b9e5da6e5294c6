import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from pipeline.cli.demo.ledgers.analytics import AnalyticsResult, QueryRow
from pipeline.cli.demo.ledgers.images import ImageLine, Stored
from pipeline.cli.demo.ledgers.jobs import ONBOARDING, JobsLine
from pipeline.cli.demo.ledgers.users import UsersLine
from pipeline.cli.demo.product_report import analytics_table, images_table, jobs_table, users_table
from pipeline.cli.traffic.pictures import Picture, make_album

NARROW = 80


def lines_of(table: Table) -> list[str]:
    console = Console(width=NARROW, record=True, file=io.StringIO())
    console.print(table)
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_days_with_the_same_figures_share_a_row() -> None:
    quiet, busy = {"events": 12.0}, {"events": 112.0}
    rows = (
        QueryRow("daily_activity", "2026-11-18", "SUCCEEDED", 1000, quiet),
        QueryRow("daily_activity", "2026-11-19", "SUCCEEDED", 1000, quiet),
        QueryRow("daily_activity", "2026-11-20", "FAILED", 0, {}),
        QueryRow("daily_activity", "2026-11-21", "SUCCEEDED", 1000, busy),
    )

    lines = lines_of(analytics_table(AnalyticsResult(rows)))

    assert "daily_activity 2026-11-18 to 2026-11-19 SUCCEEDED 2,000 events 12" in lines
    assert "daily_activity 2026-11-20 FAILED 0" in lines
    assert "daily_activity 2026-11-21 SUCCEEDED 1,000 events 112" in lines


def test_no_figure_of_an_image_is_cut_on_a_narrow_terminal() -> None:
    body = b"x" * 1_234_567
    picture = Picture("uploads/member-0001/portrait.jpg", body, "image/jpeg", "portrait", "broken")

    lines = lines_of(images_table((ImageLine(picture, "broken", ()),)))

    assert any(line.endswith("1,234,567 broken ok") for line in lines)
    assert any(line.startswith("all 1,234,567") for line in lines)


def test_no_name_of_an_image_is_broken_on_a_narrow_terminal() -> None:
    album = make_album(7, "member-0003")
    pictures = [replace(picture, body=b"x" * 99_999) for picture in album.pictures]
    made = (Stored(1024, 768, 41_152),) * 3

    lines = lines_of(images_table(tuple(ImageLine(one, one.fate, made) for one in pictures)))

    words = {word for line in lines for word in line.split()}
    shown = [word for one in pictures for word in f"{_name(one)} {one.looks}".split()]
    assert [word for word in shown if word not in words] == []


def _name(picture: Picture) -> str:
    return picture.key.rpartition("/")[2]


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (users_table((UsersLine("removed", users=25, erased=25),)), "removed 25 0 0 0 0 25 0 ok"),
        (
            jobs_table((JobsLine(ONBOARDING, "poison", 5, 0, 4, ["one is lost"]),)),
            "OnboardingQueue poison 5 0 4 WRONG",
        ),
    ],
)
def test_a_line_of_a_ledger_fits_on_a_narrow_terminal(table: Table, row: str) -> None:
    assert row in lines_of(table)
