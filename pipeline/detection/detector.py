"""The shape of every fold: `(state, event) -> (state, anomalies)`, without I/O, clock or chance."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.fraud import FraudDetector
from pipeline.detection.login_addresses import AddressDetector
from pipeline.detection.logins import LoginDetector
from pipeline.detection.metrics import MetricDetector
from pipeline.detection.page_test import PageTestDetector
from pipeline.detection.payments import PaymentDetector
from pipeline.detection.pooled import PooledDetector
from pipeline.detection.rules import Rules
from pipeline.detection.travel import TravelDetector
from pipeline.events import Event

StateT = TypeVar("StateT", bound=msgspec.Struct)


class Detector(Protocol[StateT]):
    """Watches subjects, with one state each.

    The caller keeps the states, folds the events of a subject in the order of their arrival and
    stores the result as msgpack: a state that went through msgpack is equal to the original.
    """

    @property
    def name(self) -> str:
        """Part of the key of every state row."""

    @property
    def version(self) -> int:
        """Part of the key too: another version starts from fresh states, beside the old ones."""

    @property
    def state_type(self) -> type[StateT]:
        """What a stored state decodes to; at most 850 bytes of msgpack."""

    def subject(self, event: Event) -> str | None:
        """Name the subject that an event touches, None when no rule here reads it."""

    def initial(self) -> StateT:
        """Return the state of a subject that has never been seen."""

    def fold(self, state: StateT, event: Event, event_id: str) -> tuple[StateT, Sequence[Anomaly]]:
        """Take in one event.

        The given state is never changed, so a caller can drop the result and go on from it. An
        event folded a second time changes nothing and yields no fact.
        """


def detectors(rules: Rules) -> tuple[Detector[Any], ...]:
    """Return every detector of the pipeline under these rules."""
    return (
        MetricDetector.under(rules),
        PaymentDetector.under(rules),
        TravelDetector.under(rules),
        LoginDetector.under(rules, "user"),
        PageTestDetector(rules.page_test),
    )


def pooled_detectors(rules: Rules) -> tuple[PooledDetector[Any], ...]:
    """Return every detector that shares pools among all shards, under these rules."""
    return FraudDetector.under(rules), AddressDetector.under(rules)
