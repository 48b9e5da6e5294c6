"""The alert flow: facts in, alert rows that are their own outbox, pages out.

A notification is recorded in the row by the same conditional write as the transition that causes
it; then the writer publishes it. What is due by the clock alone is the sweep's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.health_rules import HealthRule
from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.flows.alerts.alert import Transition, covers, is_late, transition
from pipeline.flows.alerts.outbox import MAX_WRITES, Outbox
from pipeline.flows.alerts.rows import AlertRows, Stored
from pipeline.flows.alerts.telling import Teller
from pipeline.ports import Clock


@dataclass(frozen=True, slots=True)
class FactRecord:
    """A record of the anomalies' stream; `read` decodes it or raises `InvalidRecordError`."""

    sequence_number: str
    dedup_key: str
    fact_key: str
    written_at: datetime
    read: Callable[[], Anomaly]


@dataclass(frozen=True, slots=True)
class Defect:
    """A fact that could not become an alert; its row stays in AnomaliesTable."""

    record: FactRecord
    error: Exception


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of a batch.

    `failed` is the sequence number from which the stream must deliver again, and `failure` why.
    """

    taken: int
    defects: tuple[Defect, ...]
    failed: str | None = None
    failure: RetryableError | None = None


class AlertFlow:
    """Takes facts in their order; one instance per invocation.

    Args:
        rows: The alert rows.
        teller: Decides whether people hear of a transition.
        outbox: Publishes what they hear.
        clock: The time of day.
        defect_rule: How bad a fact is that cannot become an alert.
    """

    def __init__(
        self,
        rows: AlertRows,
        teller: Teller,
        outbox: Outbox,
        clock: Clock,
        defect_rule: HealthRule,
    ) -> None:
        self._rows = rows
        self._teller = teller
        self._outbox = outbox
        self._clock = clock
        self._defect_rule = defect_rule

    def take_batch(self, records: Sequence[FactRecord]) -> BatchReport:
        """Take the records of a batch up to the first that must be delivered again.

        A fact that cannot become an alert stops nobody behind it and is not silent: on-call
        engineers get a page that names its row. Safe to repeat.
        """
        defects: list[Defect] = []
        for index, record in enumerate(records):
            try:
                defect = self._take_record(record)
            except RetryableError as error:
                return BatchReport(index, tuple(defects), record.sequence_number, error)
            if defect:
                defects.append(defect)
        return BatchReport(len(records), tuple(defects))

    def take(self, fact: Anomaly) -> None:
        """Take one fact; a fact that was taken before changes nothing.

        On return the alert is stored and no notification waits in its outbox.

        Raises:
            RetryableError: Throttling, outage, or another worker is at it; deliver again.
            InvalidRecordError: The fact cannot be stored as it is.
        """
        _check(fact)
        for _ in range(MAX_WRITES):
            newest = self._rows.latest(fact.dedup_key)
            stored, change = self._applied(newest, fact)
            opens = stored and change and change.alert.opened_at != stored.alert.opened_at
            if change is None or opens:
                self._outbox.deliver(stored)  # before a newer row hides this one's outbox
            if change is None:
                return
            version = 0 if stored is None or opens else stored.version
            alert = self._teller.tell(change, fact)
            if self._rows.write(alert, version):
                self._outbox.deliver(Stored(alert, version + 1))
                return
        raise RetryableError(f"other workers wrote {fact.rule_id} first, {MAX_WRITES} times")

    def _applied(
        self, newest: Stored | None, fact: Anomaly
    ) -> tuple[Stored | None, Transition | None]:
        """Return what a fact makes of the newest alert, or of the one that covers its time."""
        timers = self._rows.timers(fact.rule_id)
        now = self._clock.now()
        if newest and is_late(newest.alert, fact):
            older = self._rows.before(fact.dedup_key, fact.occurred_at)
            if older and covers(older.alert, fact, timers):
                return older, transition(older.alert, fact, now, timers)
        return newest, transition(newest.alert if newest else None, fact, now, timers)

    def _take_record(self, record: FactRecord) -> Defect | None:
        try:
            self.take(record.read())
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  a defect here must not hold every page behind it
            self.take(_defect(self._defect_rule, record))
            return Defect(record, error)
        return None


def _check(fact: Anomaly) -> None:
    """Refuse a fact that JSON cannot hold, such as one with an infinite figure."""
    try:
        copy = msgspec.json.decode(msgspec.json.encode(fact), type=Anomaly)
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise InvalidRecordError(f"no JSON holds this fact: {error}") from error
    if copy != fact:
        raise InvalidRecordError("no JSON holds this fact")


def _defect(rule: HealthRule, record: FactRecord) -> Anomaly:
    """Return the fact that another fact cannot become an alert, the same on every delivery."""
    written_at = record.written_at.astimezone(UTC)
    return Anomaly(
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        kind=rule.kind,
        severity=rule.severity,
        edge="opened",
        subject="AnomaliesTable",
        source="pipeline",
        opened_at=written_at,
        occurred_at=written_at,
        event_id=record.sequence_number,
        observed=1,
        title="A fact in AnomaliesTable cannot become an alert",
        component=rule.component,
        reasons=(
            f"dedup_key {record.dedup_key}",
            f"fact_key {record.fact_key}",
            "the row is kept; the function's log has the error under its sequence number",
        ),
    )
