import random
from datetime import UTC, datetime, timedelta

from pipeline.cli.producers.host import HostSampler
from pipeline.events import SystemMetric, decode

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class Ticking:
    """A clock that moves on by a fixed time each time it is read; it first reads `AT`."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._step = timedelta(seconds=seconds)
        self._next = AT

    def __call__(self) -> datetime:
        moment, self._next = self._next, self._next + self._step
        return moment


def test_a_sample_has_cpu_memory_disk_and_load_as_the_contract_wants_them() -> None:
    sampler = HostSampler("laptop", Ticking(), random.Random(1))

    puts = sampler.sample()

    events = [decode(put.data) for put in puts]
    assert all(isinstance(event, SystemMetric) for event in events)
    assert [event.metric_name for event in events if isinstance(event, SystemMetric)] == [
        "cpu_usage",
        "memory_usage",
        "disk_usage",
        "load_1m",
    ]
    assert {event.timestamp for event in events} == {AT + timedelta(seconds=1)}
    assert {put.partition_key for put in puts} == {"laptop"}


def test_usages_are_percentages_and_memory_is_in_use() -> None:
    sampler = HostSampler("laptop", Ticking(), random.Random(1))

    values = {
        event.metric_name: event.value
        for event in (decode(put.data) for put in sampler.sample())
        if isinstance(event, SystemMetric)
    }

    assert 0 <= values["cpu_usage"] <= 100
    assert 0 < values["memory_usage"] <= 100
    assert 0 < values["disk_usage"] <= 100


def test_two_samples_have_different_event_ids() -> None:
    sampler = HostSampler("laptop", Ticking(), random.Random(1))

    puts = [*sampler.sample(), *sampler.sample()]

    assert len({put.user_records[0].event_id for put in puts}) == 8


def test_samples_are_at_least_a_second_apart() -> None:
    sampler = HostSampler("laptop", Ticking(0.4), random.Random(1))

    sizes = [len(sampler.sample()) for _ in range(6)]

    assert sizes == [0, 0, 4, 0, 0, 4]
