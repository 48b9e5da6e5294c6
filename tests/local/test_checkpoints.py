import json
from pathlib import Path

import pytest

from pipeline.local.checkpoints import Checkpoints, Start


def test_a_shard_that_was_never_settled_has_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints.json")

    assert checkpoints.get("mapping", "stream", "shard") is None


def test_checkpoints_are_there_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "run" / "checkpoints.json"
    Checkpoints(path).start("mapping", "stream", ["shard-0"], 12.5)
    Checkpoints(path).put("mapping", "stream", "shard-0", "41")
    Checkpoints(path).put("mapping", "stream", "shard-1", "7")
    Checkpoints(path).put("mapping", "stream", "shard-0", "42")

    again = Checkpoints(path)

    assert again.get("mapping", "stream", "shard-0") == "42"
    assert again.get("mapping", "stream", "shard-1") == "7"


def test_mappings_and_incarnations_of_a_stream_are_apart(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints.json")
    checkpoints.start("mapping", "stream@1", ["shard"], 0)
    checkpoints.put("mapping", "stream@1", "shard", "42")

    assert checkpoints.get("mapping", "stream@2", "shard") is None
    assert checkpoints.get("another", "stream@1", "shard") is None


def test_a_mapping_starts_once(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.json"
    first = Checkpoints(path).start("mapping", "stream", ["shard-0"], 12.5)

    again = Checkpoints(path).start("mapping", "stream", ["shard-0", "shard-1"], 99)

    assert first == Start(12.5, frozenset({"shard-0"}), is_first=True)
    assert again == Start(12.5, frozenset({"shard-0"}), is_first=False)


def test_a_checkpoint_needs_a_start(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints.json")

    with pytest.raises(KeyError):
        checkpoints.put("mapping", "stream", "shard", "42")


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    checkpoints = Checkpoints(None)
    checkpoints.start("mapping", "stream", ["shard"], 0)

    checkpoints.put("mapping", "stream", "shard", "42")

    assert checkpoints.get("mapping", "stream", "shard") == "42"
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_stops_the_run(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.json"
    path.write_text('{"mapping stream": {"shard"')

    with pytest.raises(json.JSONDecodeError):
        Checkpoints(path)
