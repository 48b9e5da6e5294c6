from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli.demo.fire import fire


def test_without_a_local_run_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(fire, ["Hourly"])

    assert result.exit_code == 3
    assert "Start `streamwarden local` here" in result.stderr
    assert "--stack" not in result.stderr
