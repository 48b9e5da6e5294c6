import signal
from collections.abc import Iterator
from pathlib import Path

import botocore
import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from pipeline.local.server import guard_client
from tests import recorded_calls as recorder

ROOT = Path(__file__).resolve().parent

recorder.install()  # before any test makes a client

# A test that fails once fails always: examples do not change from run to run, nor does a busy
# machine break a test.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in the background of a script: Ctrl-C would not reach the commands under test either.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def recorded_calls(request: pytest.FixtureRequest) -> Iterator[set[recorder.Call]]:
    """Record a test in `tests/consumers/test_<consumer>.py` under its consumer; gives the calls."""
    if request.path.parent != ROOT / "consumers":
        yield set()
        return
    with recorder.recording(request.path.stem.removeprefix("test_")) as calls:
        yield calls


@pytest.fixture(autouse=True)
def strict_aws(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse on moto what AWS refuses, where consumers and adapters are under test."""
    if request.path.parent.name not in {"consumers", "contract"}:
        yield
        return
    botocore.register_initializer(guard_client.install)
    yield
    botocore.unregister_initializer(guard_client.install)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the comparison of calls and permissions last: it judges what all others recorded."""
    items.sort(key=lambda item: item.path.name == "test_permissions.py")


class _Scheduling(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Give each process a file at a time; what records calls goes with what judges them."""

    def _split_scope(self, nodeid: str) -> str:
        path = str(super()._split_scope(nodeid))
        recorded = path.startswith("tests/consumers/") or path.endswith("/test_permissions.py")
        return "tests/consumers" if recorded else path


@pytest.hookimpl(optionalhook=True)  # unknown where a test is run in this process alone
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduling:
    return _Scheduling(config, log)
