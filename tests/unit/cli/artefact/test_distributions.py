import zipfile
from hashlib import sha256
from pathlib import Path

import click
import pytest

from pipeline.cli.artefact.distributions import architecture_here, downloaded, installed


def test_wheels_of_the_very_same_requirements_are_not_downloaded_again(tmp_path: Path) -> None:
    requirements = tmp_path / "lambda.txt"
    requirements.write_text("my-library==1.0\n")
    digest = sha256(b"my-library==1.0\n").hexdigest()[:12]
    cache = tmp_path / f"arm64-{digest}"
    cache.mkdir()
    with zipfile.ZipFile(cache / "my_library-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("my_library/", "")
        wheel.writestr("my_library/__init__.py", "x = 1\n")

    found = downloaded(requirements, "arm64", tmp_path)

    assert [(one.name, list(one.files)) for one in found] == [
        ("my-library", ["my_library/__init__.py"])
    ]
    assert found[0].files["my_library/__init__.py"]() == b"x = 1\n"


def test_installed_libraries_stand_in_only_in_the_pinned_version(tmp_path: Path) -> None:
    requirements = tmp_path / "lambda.txt"
    requirements.write_text("six==0.0.1 \\\n    --hash=sha256:00\n")

    with pytest.raises(click.ClickException, match=r"six \S+ is installed, 0\.0\.1 is pinned"):
        installed(requirements)


def test_a_library_that_is_not_installed_is_named(tmp_path: Path) -> None:
    requirements = tmp_path / "lambda.txt"
    requirements.write_text("no-such-library==1.0\n")

    with pytest.raises(click.ClickException, match="no-such-library is not installed"):
        installed(requirements)


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("aarch64", "arm64"), ("arm64", "arm64"), ("AMD64", "x86_64"), ("riscv64", None)],
)
def test_a_machine_has_the_architecture_that_lambda_calls_so(
    machine: str, architecture: str | None
) -> None:
    assert architecture_here(machine) == architecture
