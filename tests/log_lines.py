"""What a consumer logs, as CloudWatch Logs gets it."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from aws_lambda_powertools import Logger


class LogLines:
    """The lines that a logger has written since."""

    def __init__(self) -> None:
        self.sink = io.StringIO()

    @property
    def text(self) -> str:
        """All of it as it was written."""
        return self.sink.getvalue()

    def parsed(self) -> list[dict[str, Any]]:
        """Return the lines, which end at line feeds alone; one that is no object is an error."""
        lines = [json.loads(line) for line in self.text.split("\n") if line]
        assert all(isinstance(line, dict) for line in lines)
        return lines


@contextmanager
def log_lines(logger: Logger) -> Iterator[LogLines]:
    """Have a consumer's logger write into memory, in the form that it has on Lambda."""
    lines, handler = LogLines(), cast("Any", logger.registered_handler)
    before = handler.setStream(lines.sink)
    try:
        yield lines
    finally:
        handler.setStream(before)
