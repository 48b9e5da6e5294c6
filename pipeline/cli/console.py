"""The console that commands print to."""

from typing import Final

from rich.console import Console

WIDTH: Final = 108
"""Columns of what goes into a file or a pipe."""


def make_console(*, stderr: bool = False) -> Console:
    """Return the console, on standard error for what is not a command's output."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH)
