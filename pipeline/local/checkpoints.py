"""How far each shard of each mapping has been settled, kept in a file of the run's directory."""

import json
import os
import threading
from pathlib import Path


class Checkpoints:
    """The last settled sequence number per mapping, stream and shard.

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
        self._settled: dict[str, dict[str, str]] = {}
        if path is not None and path.exists():
            self._settled = json.loads(path.read_text(encoding="utf-8"))

    def get(self, mapping: str, stream: str, shard_id: str) -> str | None:
        """Return the last settled sequence number, None for a shard that was never settled."""
        with self._lock:
            return self._settled.get(_key(mapping, stream), {}).get(shard_id)

    def put(self, mapping: str, stream: str, shard_id: str, sequence_number: str) -> None:
        """Store the last settled sequence number; on return it survives a kill of this process."""
        with self._lock:
            self._settled.setdefault(_key(mapping, stream), {})[shard_id] = sequence_number
            if self._path is None:
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps(self._settled, indent=1) + "\n", encoding="utf-8")
            os.replace(new, self._path)  # noqa: PTH105  the atomic one of both systems, by its name


def _key(mapping: str, stream: str) -> str:
    return f"{mapping} {stream}"
