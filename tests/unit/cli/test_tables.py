import io

import pytest
from click.testing import CliRunner
from rich.console import Console

from pipeline.cli.tables import Column, counted, figures, print_table, table


@pytest.fixture
def shown() -> str:
    columns = (Column("name", is_whole=False), Column("id"), Column("count", is_figure=True))
    rows = [("[red]not markup[/red]", "shardId-000000000000:" + "4" * 56, "7")]
    with CliRunner().isolation() as (stdout, _, _):
        print_table(table("Things", columns, rows))
        return stdout.getvalue().decode()


def test_an_id_stays_on_one_line(shown: str) -> None:
    whole = [line for line in shown.splitlines() if "shardId-000000000000:" + "4" * 56 in line]

    assert len(whole) == 1


def test_what_a_cell_says_is_no_markup(shown: str) -> None:
    assert "[red]not markup[/red]" in shown


def test_figures_stand_to_the_right(shown: str) -> None:
    header, row = (line for line in shown.splitlines() if "count" in line or "markup" in line)

    assert row.rstrip().index("7", 100) == header.rstrip().rindex("t")


def test_a_total_stands_below_a_gap() -> None:
    laid_out = table("Things", (Column("name"), *figures("count")), [("one", "7")], ("all", "7"))
    console = Console(width=40, record=True, file=io.StringIO())

    console.print(laid_out)

    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert lines[-4:] == ["one 7", "", "all 7", ""]


def test_a_title_that_is_wider_than_its_table_stays_on_one_line() -> None:
    laid_out = table("Moderation answers, declared and not recognised", [Column("image")], [("a",)])
    console = Console(width=80, record=True, file=io.StringIO())

    console.print(laid_out)

    first = console.export_text().splitlines()[0]
    assert first.rstrip() == "Moderation answers, declared and not recognised"


def test_one_is_counted_without_an_s() -> None:
    assert [counted(count, "alert") for count in (0, 1, 1234)] == [
        "0 alerts",
        "1 alert",
        "1,234 alerts",
    ]
