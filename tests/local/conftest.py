"""One moto server for all tests of the local run; stacks keep apart by their names."""

from collections.abc import Iterator

import pytest

from pipeline.local.endpoint import Endpoint


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as started:
        yield started
