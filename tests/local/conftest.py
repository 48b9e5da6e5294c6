"""One moto server for all tests of the local run; stacks keep apart by their names."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.cli.stack import published
from pipeline.local.deploy import deploy
from pipeline.local.deployment import Deployment
from pipeline.local.endpoint import Endpoint
from pipeline.local.run import LocalRun

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as started:
        yield started


@pytest.fixture
def bring_up(tmp_path: Path, endpoint: Endpoint) -> Callable[..., Deployment]:
    """Deploy the resources of a YAML text."""

    def bring_up_text(resources: str, **parameters: str) -> Deployment:
        path = tmp_path / "template.yaml"
        path.write_text(resources)
        return deploy(path, endpoint, stack_name="small", parameters=parameters)

    return bring_up_text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """Run the project's template; commands find the run in the working directory."""
    directory = tmp_path_factory.mktemp("run")
    home = Path.cwd()
    os.chdir(directory)
    try:
        with (
            LocalRun(ROOT / "template.yaml", directory=directory) as run,
            published(run, "streamwarden-local"),
        ):
            yield run
    finally:
        os.chdir(home)
