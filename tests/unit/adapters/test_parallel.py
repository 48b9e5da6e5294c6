import threading

import pytest

from pipeline.adapters.parallel import Parallel


def test_all_calls_have_ended_when_one_of_them_fails() -> None:
    release, ended = threading.Event(), []

    def fail() -> None:
        release.set()
        raise ConnectionError("refused")

    def wait_for_the_failure() -> None:
        ended.append(release.wait(60))

    with pytest.raises(ConnectionError, match="refused"):
        Parallel(2).run([fail, wait_for_the_failure])

    assert ended == [True]


def test_one_thread_runs_the_calls_in_order() -> None:
    order: list[str] = []

    Parallel(1).run([lambda: order.append("first"), lambda: order.append("second")])

    assert order == ["first", "second"]
