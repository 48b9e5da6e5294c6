"""One moto server for all tests of the local run; stacks keep apart by their names."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.local.deploy import deploy
from pipeline.local.deployment import Deployment
from pipeline.local.endpoint import Endpoint


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
