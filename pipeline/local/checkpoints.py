"""Where each mapping began and how far each shard is settled, in a file of the run's directory."""

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


@dataclass(frozen=True, slots=True)
class Start:
    """When a mapping first read a stream, and the shards that were there.

    Only those are read from the mapping's starting position; later ones from their beginning.
    `is_first` says that the mapping is only now starting.
    """

    moment: float
    shard_ids: frozenset[str]
    is_first: bool


class _Entry(TypedDict):
    started_at: float
    first_shards: list[str]
    settled: dict[str, str]


class Checkpoints:
    """The start and the last settled sequence numbers per mapping, stream and shard.

    `stream` identifies the stream's incarnation, so that a stream that was deleted and made anew
    is not resumed in the middle. A checkpoint is written after its records are settled: what was in
    flight when the run was killed comes again.

    Args:
        path: The file; None keeps the checkpoints in memory, for an endpoint whose streams do not
            outlive the run either.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        if path is not None and path.exists():
            self._entries = json.loads(path.read_text(encoding="utf-8"))

    def start(self, mapping: str, stream: str, shard_ids: Iterable[str], now: float) -> Start:
        """Return how a mapping started on a stream; the first time, that is now."""
        key = _key(mapping, stream)
        with self._lock:
            is_first = key not in self._entries
            if is_first:
                first = sorted(shard_ids)
                self._entries[key] = {"started_at": now, "first_shards": first, "settled": {}}
                self._write()
            entry = self._entries[key]
            return Start(entry["started_at"], frozenset(entry["first_shards"]), is_first)

    def get(self, mapping: str, stream: str, shard_id: str) -> str | None:
        """Return the last settled sequence number, None for a shard that was never settled."""
        with self._lock:
            entry = self._entries.get(_key(mapping, stream))
            return entry["settled"].get(shard_id) if entry else None

    def put(self, mapping: str, stream: str, shard_id: str, sequence_number: str) -> None:
        """Store the last settled sequence number; on return it survives a kill of this process.

        Raises:
            KeyError: The mapping has not started on the stream.
        """
        with self._lock:
            self._entries[_key(mapping, stream)]["settled"][shard_id] = sequence_number
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._entries, indent=1) + "\n", encoding="utf-8")
        os.replace(new, self._path)  # noqa: PTH105  the atomic one of both systems, by its name


def _key(mapping: str, stream: str) -> str:
    return f"{mapping} {stream}"
