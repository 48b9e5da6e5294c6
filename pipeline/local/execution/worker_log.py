"""Where a worker's output goes: the function's log file, a listener, and the tail for failures."""

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

TAIL_LINES: Final = 30
"""How many of a worker's last lines are shown when it fails."""

_CHUNK_BYTES = 65536


class FunctionLog:
    """The log file of one function, shared by its workers and appended to across runs."""

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._on_line = on_line
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8")

    def write(self, line: str) -> None:
        """Append one line and hand it to the listener."""
        with self._lock:
            if not self._file.closed:
                self._file.write(line + "\n")
                self._file.flush()
        self._on_line(line)

    def close(self) -> None:
        """Close the file; lines that come later reach the listener only."""
        with self._lock:
            self._file.close()


class WorkerOutput:
    """Reads one worker's standard output and error, line by line, until the worker has gone."""

    def __init__(self, stream: IO[bytes], log: FunctionLog) -> None:
        self._stream = stream
        self._log = log
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._rest = b""
        self._at_end = False
        self._reading = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="worker-output", daemon=True)
        self._thread.start()

    def tail(self) -> tuple[str, ...]:
        """Return the last lines, including everything that was written before this call."""
        # A worker writes before it reports, so what belongs to the report is in the pipe by now,
        # and the pipe holds no more than one chunk.
        taken = 0
        with self._reading:
            while taken < _CHUNK_BYTES and (size := self._take()):
                taken += size
            return tuple(self._tail)

    def close(self) -> None:
        """Stop reading; the worker has ended."""
        # A process that the handler left behind in a session of its own may hold the pipe open.
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._stream.close()

    def _read(self) -> None:
        while not self._at_end:
            select.select([self._stream], [], [])
            with self._reading:
                self._take()

    def _take(self) -> int:
        """Read what is there without waiting; return its size."""
        if self._at_end or not select.select([self._stream], [], [], 0)[0]:
            return 0
        chunk = os.read(self._stream.fileno(), _CHUNK_BYTES)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk:
            self._at_end = True
            lines, self._rest = ([self._rest] if self._rest else []), b""
        for line in lines:
            text = line.decode(errors="replace")
            self._tail.append(text)
            self._log.write(text)
        return len(chunk)
