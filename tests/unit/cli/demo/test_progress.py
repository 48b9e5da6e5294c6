import io

from rich.console import Console

from pipeline.cli.demo.progress import DemoProgress
from pipeline.local.run import DrainProgress


def shown(*, is_terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=80)
    with DemoProgress(console, 1000) as progress:
        progress.put(500)
        progress.drain(DrainProgress(800, ("shard-0",)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_how_far_it_is() -> None:
    assert "800 records read, 1 sources not drained" in shown(is_terminal=True)


def test_a_file_or_pipe_gets_no_bar() -> None:
    assert shown(is_terminal=False) == ""
