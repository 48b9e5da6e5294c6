"""This machine's own CPU, memory, disk and load as system metrics."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import psutil

from pipeline.cli.producers.puts import StreamPut, plain, user_put

MIN_INTERVAL: Final = timedelta(seconds=0.9)
"""Shortest time between two samples: a second, less what a timer may be off."""


class HostSampler:
    """Samples the machine that the command runs on.

    CPU usage is the mean since the sample before, so samples are about a second apart or more:
    what a processor does for a few milliseconds is no news.

    Args:
        source: What the machine is called on the stream.
        now: Tells the time in UTC.
        rng: Chooses the event ids, which must differ from run to run.
    """

    def __init__(self, source: str, now: Callable[[], datetime], rng: random.Random) -> None:
        self._source = source
        self._now = now
        self._rng = rng
        self._last = now()
        psutil.cpu_percent()  # the first call only starts the measuring interval

    def sample(self) -> list[StreamPut]:
        """Return one point of each series, or nothing when it is too early for the next."""
        at = self._now()
        if at - self._last < MIN_INTERVAL:
            return []
        self._last = at
        values = {
            "cpu_usage": (psutil.cpu_percent(), "%"),
            "memory_usage": (psutil.virtual_memory().percent, "%"),
            "disk_usage": (psutil.disk_usage(str(Path.cwd())).percent, "%"),
            "load_1m": (psutil.getloadavg()[0], "processes"),
        }
        return [
            plain(
                at,
                self._source,
                user_put(
                    {
                        "event_type": "system_metric",
                        "event_id": f"{self._rng.getrandbits(128):032x}",
                        "metric_name": name,
                        "value": round(value, 3),
                        "timestamp": at.isoformat(timespec="microseconds"),
                        "source": self._source,
                        "unit": unit,
                        "producer": "streamwarden-host",
                    }
                ),
            )
            for name, (value, unit) in values.items()
        ]
