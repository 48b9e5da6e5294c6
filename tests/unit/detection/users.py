"""What users do, and a fold over it through the stored form of the states."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import UNSET

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.detector import Detector, detectors, pooled_detectors
from pipeline.detection.pooled import PoolKey  # noqa: TC001  beside the other types
from pipeline.detection.rules import Rules, default_rules
from pipeline.events import Event, Location, Money, Transaction, UserActivity
from tests.unit.detection.series import START

BERLIN = Location(latitude=52.52, longitude=13.405, city="Berlin", country="DE")
POTSDAM = Location(latitude=52.39, longitude=13.065, city="Potsdam", country="DE")
TOKYO = Location(latitude=35.68, longitude=139.69, city="Tokyo", country="JP")

Sent = tuple[Event, str]
"""An event and its id."""


def payment(
    number: int,
    at_s: float = 0.0,
    amount: str = "20",
    currency: str = "EUR",
    *,
    status: str | None = None,
    place: Location | str | None = None,
    user: str = "u1",
) -> Sent:
    event = Transaction(
        transaction_id=f"t{number}",
        user_id=user,
        amount=Money(amount),
        currency=currency,
        timestamp=START + timedelta(seconds=at_s),
        status=UNSET if status is None else status,
        location=UNSET if place is None else place,
    )
    return event, f"payment-{number}-{status}"


def activity(
    number: int,
    at_s: float = 0.0,
    what: str = "login_failed",
    address: str | None = "203.0.113.7",
    place: Location | str | None = None,
    user: str = "u1",
) -> Sent:
    event = UserActivity(
        user_id=user,
        activity_type=what,
        timestamp=START + timedelta(seconds=at_s),
        ip_address=UNSET if address is None else address,
        location=UNSET if place is None else place,
    )
    return event, f"activity-{number}"


class Folds:
    """All detectors and the stored states of all subjects, as a shard has them."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.detectors: tuple[Detector[Any], ...] = detectors(rules or default_rules())
        self.pooled = pooled_detectors(rules or default_rules())
        self.pools = {pool.name: pool for detector in self.pooled for pool in detector.pools}
        self.totals: dict[PoolKey, Any] = {}
        self.rows: dict[tuple[str, str], bytes] = {}

    def take(self, sent: Iterable[Sent]) -> list[Anomaly]:
        facts: list[Anomaly] = []
        for event, event_id in sent:
            for detector in self.detectors:
                subject = detector.subject(event)
                if subject is None:
                    continue
                row = self.rows.get((detector.name, subject))
                before = (
                    detector.initial()
                    if row is None
                    else msgspec.msgpack.decode(row, type=detector.state_type)
                )
                after, found = detector.fold(before, event, event_id)
                self.rows[detector.name, subject] = msgspec.msgpack.encode(after)
                facts += found
            facts += self._take_pooled(event, event_id)
        return facts

    def _take_pooled(self, event: Event, event_id: str) -> list[Anomaly]:
        facts: list[Anomaly] = []
        for detector in self.pooled:
            subject = detector.subject(event)
            if subject is None:
                continue
            for key in detector.pooled(event):
                self.totals.setdefault(key, self.pools[key.pool].initial())
            row = self.rows.get((detector.name, subject))
            before = (
                detector.initial()
                if row is None
                else msgspec.msgpack.decode(row, type=detector.state_type)
            )
            after, found, additions = detector.fold(before, event, event_id, self.totals)
            self.rows[detector.name, subject] = msgspec.msgpack.encode(after)
            for key, what in additions:
                self.totals[key] = self.pools[key.pool].add(self.totals[key], what)
            facts += found
        return facts

    def state(self, name: str, subject: str) -> Any:  # noqa: ANN401  each detector has a type of its own
        everything: list[Any] = [*self.detectors, *self.pooled]
        (detector,) = (one for one in everything if one.name == name)
        return msgspec.msgpack.decode(self.rows[name, subject], type=detector.state_type)


def edges(facts: Iterable[Anomaly], rule_id: str) -> list[str]:
    return [f"{fact.edge} {fact.severity}" for fact in facts if fact.rule_id == rule_id]
