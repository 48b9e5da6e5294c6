from datetime import UTC, datetime
from itertools import islice

from pipeline.cli.producers.host_command import in_line, ticks
from pipeline.cli.producers.puts import plain, user_put

AT = datetime(2026, 11, 21, 9, 30, 5, tzinfo=UTC)


class Clockwork:
    """A clock that only sleeping and work move on; `work_s` passes before each sleep."""

    def __init__(self, *work_s: float) -> None:
        self._work_s = list(work_s)
        self.now = 100.0
        self.woken: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.woken.append(self.now)
        if self._work_s:
            self.now += self._work_s.pop(0)


def test_ticks_keep_to_the_multiples_of_the_interval_whatever_the_work_takes() -> None:
    clock = Clockwork(3.0, 9.5, 0.0)

    list(islice(ticks(10, clock.sleep, clock.monotonic), 4))

    assert clock.woken == [110, 120, 130, 140]


def test_a_tick_that_was_missed_is_left_out() -> None:
    clock = Clockwork(25.0)

    list(islice(ticks(10, clock.sleep, clock.monotonic), 3))

    assert clock.woken == [110, 140, 150]


def test_a_sample_is_one_line() -> None:
    points = [
        plain(AT, "a", user_put({"event_type": "system_metric", **fields}))
        for fields in (
            {"metric_name": "cpu_usage", "value": 12.345, "unit": "%"},
            {"metric_name": "load_1m", "value": 0.5, "unit": "processes"},
        )
    ]

    assert in_line(points) == "09:30:05  cpu_usage 12.35 %  load_1m 0.5 processes"
