"""The demo's traffic: a simulation, sent in all ways that producers know, and poison."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from pipeline.cli.producers.puts import StreamPut, aggregated, contract_key, plain, user_put, zipped
from pipeline.cli.traffic.incidents import SPAN, PlantedIncident
from pipeline.cli.traffic.poison import poison_puts
from pipeline.cli.traffic.shoppers import Simulated
from pipeline.cli.traffic.simulation import Simulation
from pipeline.cli.traffic.storms import storms

MIN_RECORDS: Final = 1400
"""Fewest user records that hold all metrics, attacks, storms and one poison record of each kind."""

_SHARE_ZIPPED = 0.03
_SHARE_WITHOUT_ID = 0.05
_SHARE_REPEATED = 0.01
_SHARE_AGGREGATED = 0.2


@dataclass(frozen=True, slots=True)
class Traffic:
    """Kinesis records in the order in which they are put, and what is hidden in them."""

    puts: tuple[StreamPut, ...]
    incidents: tuple[PlantedIncident, ...]

    @property
    def user_records(self) -> int:
        """How many user records the Kinesis records carry."""
        return sum(len(put.user_records) for put in self.puts)

    def after(self, earlier: "Traffic") -> "Traffic":
        """Return this traffic with an earlier one put before it."""
        return Traffic(earlier.puts + self.puts, self.incidents + earlier.incidents)


def make_traffic(*, records: int, seed: int, until: datetime) -> Traffic:
    """Send a simulation with storms, poison and repetitions.

    Some events travel compressed or without an event id, some customers' clicks as one aggregate
    at the end of their visit, and one record in a hundred is put twice.

    Args:
        records: Number of user records, at least `MIN_RECORDS`.
        seed: Chooses everything but the time.
        until: End of the simulated hours; no event is later, save for the poison meant to be.
    """
    if records < MIN_RECORDS:
        raise ValueError(f"the traffic needs at least {MIN_RECORDS} records, not {records}")
    rng = random.Random(f"{seed}/sending")
    poison: list[StreamPut] = []
    for _ in range(max(records // 1000, 1)):
        poison += poison_puts(rng, until - rng.uniform(0.001, 1) * SPAN)
    repetitions = int(records * _SHARE_REPEATED)
    poisonous = sum(len(put.user_records) for put in poison)
    planted = storms(seed, until)
    stormy = [event for storm in planted for event in storm.events]
    simulation = Simulation(records - poisonous - repetitions - len(stormy), seed, until)
    events = chain(simulation.events(), stormy)
    puts = _repeat(rng, list(_send(rng, events)), repetitions)
    incidents = (*simulation.incidents, *(storm.incident for storm in planted))
    return Traffic(tuple(sorted([*puts, *poison], key=lambda put: put.at)), incidents)


def _send(rng: random.Random, events: Iterator[Simulated]) -> Iterator[StreamPut]:
    """Yield every event in one Kinesis record or another, in no order."""
    held_back: dict[str, list[Simulated]] = {}  # by session, until the visit is over
    at_once: set[str] = set()
    for event in events:
        session = event.fields.get("session_id", "")
        if session and session not in held_back and session not in at_once:
            if rng.random() < _SHARE_AGGREGATED:
                held_back[session] = []
            else:
                at_once.add(session)
        if session in held_back:
            held_back[session].append(event)
        else:
            yield _alone(rng, event)
    for clicks in held_back.values():
        last = clicks[-1]
        records = [user_put(click.fields) for click in clicks]
        yield aggregated(last.at, contract_key(last.fields), records)


def _alone(rng: random.Random, event: Simulated) -> StreamPut:
    fields = event.fields
    if fields["event_type"] != "system_metric" and rng.random() < _SHARE_WITHOUT_ID:
        fields = {name: value for name, value in fields.items() if name != "event_id"}
    send = zipped if rng.random() < _SHARE_ZIPPED else plain
    return send(event.at, contract_key(fields), user_put(fields))


def _repeat(rng: random.Random, puts: Sequence[StreamPut], times: int) -> Iterator[StreamPut]:
    """Yield all records, so many user records of them twice, within their aggregate if in one."""
    known = [index for index, put in enumerate(puts) if put.user_records[-1].event_id]
    chosen = set(rng.sample(known, times))
    for index, put in enumerate(puts):
        if index not in chosen:
            yield put
        elif put.is_aggregate:
            records = [*put.user_records, put.user_records[-1]]
            yield aggregated(put.at, put.partition_key, records)
        else:
            yield put
            yield put
