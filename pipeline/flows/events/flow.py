"""The event flow: one batch of a shard in, rows, lake objects and anomalies out.

Two phases, in order. First everything that is idempotent by its key: rows, anomalies, lake and
quarantine objects. Then the detectors' states and last the shard's cursor. A crash in between makes
the batch come again; states written before their anomalies would make it skip them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.detection import health
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.detector import Detector
from pipeline.detection.health_rules import HealthRules
from pipeline.detection.pooled import PooledDetector
from pipeline.detection.record_tally import RecordTally
from pipeline.errors import RetryableError
from pipeline.events import Event, SystemMetric
from pipeline.flows.events.folding import Folded, Folding, Known, Touched, keys_of
from pipeline.flows.events.intake import Accepted, Intake, Refused, take_in, whole
from pipeline.flows.events.lake import archived, lake_objects, quarantine_objects
from pipeline.flows.events.report import BatchReport, report
from pipeline.flows.events.watches import Watch
from pipeline.ports import (
    Cursor,
    EventSink,
    RemainingTime,
    ShardLineage,
    StateKey,
    StateRow,
    StateStore,
    StoredEvent,
)
from pipeline.records import KinesisRecord

MAX_ATTEMPTS: Final = 2
"""How often a record is tried alone before it goes to quarantine untried."""

UNMARK_TRIES: Final = 4
"""How often an orderly failure tries to take its mark back, each with the client's own retries."""

MAX_ANCESTORS: Final = 16
"""How many generations of shards seed a new one; a subject silent for longer starts fresh."""

_MAX_WARM_ROWS: Final = 50_000  # about 50 MB of states of 1 KB at most


@dataclass(slots=True)
class _Warm:
    """What this environment knows of a shard: where it left the cursor, and rows as of then."""

    applied: int
    rows: dict[StateKey, StateRow]


class _Batch(NamedTuple):
    """The records of a batch, their fates, and what each accepted event touches."""

    records: Sequence[KinesisRecord]
    intake: Intake
    touched: Sequence[Touched]


class EventFlow:
    """Processes batches of the event stream; one instance per execution environment.

    Args:
        sink: Where events, anomalies and objects are written.
        states: Detector states and cursors.
        lineage: The parents of a shard that is new here.
        detectors: What reads the events.
        health_rules: How bad the flow's own troubles are.
        ttl_s: How long a state row outlives the record that touched it last.
        lake_only: Types of the events that get no row. Detectors see them like any other.
        watches: What watches the producers.
        pooled: The detectors that share pools among all shards.
    """

    def __init__(  # noqa: PLR0913  the ports and settings of the flow
        self,
        sink: EventSink,
        states: StateStore,
        lineage: ShardLineage,
        detectors: Sequence[Detector[Any]],
        health_rules: HealthRules,
        ttl_s: int,
        *,
        lake_only: Collection[type[Event]] = (),
        watches: Sequence[Watch] = (),
        pooled: Sequence[PooledDetector[Any]] = (),
    ) -> None:
        self._sink = sink
        self._states = states
        self._lineage = lineage
        self._health_rules = health_rules
        self._folding = Folding(detectors, states, ttl_s, watches, pooled)
        self._lake_only = frozenset(lake_only)
        self._warm: dict[str, _Warm] = {}

    def process(self, records: Sequence[KinesisRecord], remaining_s: RemainingTime) -> BatchReport:
        """Process one batch wholly, or fail as a whole.

        Safe to repeat: a repetition rewrites the same rows and objects and counts nothing twice.

        Args:
            records: At least one record, all of one shard, in its order.
            remaining_s: Time left for the retries of the adapters.

        Raises:
            RetryableError: Throttling or outage; deliver the whole batch again.
            InvalidRecordError: A service refuses a record of the batch; deliver it in portions.
        """
        shard_id = records[0].shard_id
        warm = self._warm.pop(shard_id, None)  # whatever raises below leaves it dropped
        if len(records) > 1:
            batch = self._take_in(records)
            cursor, known = self._read(shard_id, batch.touched, warm, remaining_s)
            return self._process(batch, cursor, known, remaining_s)
        cursor, known = self._read(shard_id, [], warm, remaining_s)
        if records[0].sequence_number <= cursor.applied:
            return self._process(self._take_in(records), cursor, known, remaining_s)
        return self._process_alone(records, cursor, known, remaining_s)

    def take_back(
        self,
        records: Sequence[KinesisRecord],
        remaining_s: RemainingTime,
        *,
        is_archived: bool = False,
    ) -> BatchReport:
        """Write what records that come back out of turn still lack: rows, lake lines, refusals.

        Detectors do not see them. Their states have one writer and an order, and the place of
        these records in it has passed. So neither states nor cursor are read or written, and the
        shard may be processed meanwhile. Safe to repeat: the same records rewrite themselves.

        Args:
            records: At least one record, all of one shard, as the stream once delivered them.
            remaining_s: Time left for the retries of the adapters.
            is_archived: They come from the lake, so they have their lines there.

        Raises:
            RetryableError: Throttling or outage; bring the same records back again.
        """
        intake = take_in(records)
        facts = self._health(records, intake, intake.refused, RecordTally())
        rows = self._rows(intake.accepted)
        objects = [] if is_archived else lake_objects(intake.accepted, records, is_late=True)
        objects += quarantine_objects(intake.refused, records, is_late=True)
        self._sink.write(rows, facts, objects, remaining_s)
        return report(
            records,
            [item.event for item in intake.accepted],
            lake_only=sum(type(item.event) in self._lake_only for item in intake.accepted),
            collapsed=intake.collapsed,
            quarantined=len(intake.refused),
            anomalies=len(facts),
            stray=len(intake.stray),
        )

    def _take_in(self, records: Sequence[KinesisRecord]) -> _Batch:
        intake = take_in(records)
        return _Batch(records, intake, self._folding.touched(intake.accepted))

    def _read(
        self,
        shard_id: str,
        touched: Sequence[Touched],
        warm: _Warm | None,
        remaining_s: RemainingTime,
    ) -> tuple[Cursor, Known]:
        """Read the cursor and, beside it, the rows that a warm environment lacks.

        What it holds and reads counts only if the cursor is where it left it: then nobody else has
        written since. Otherwise nothing is known, and folding reads all rows after the cursor.
        """
        cold = [key for key in keys_of(touched) if key not in warm.rows] if warm else []
        cursor, rows = self._states.read_shard(shard_id, cold, remaining_s)
        if cursor is None:
            return Cursor(ancestors=self._ancestors(shard_id)), Known({}, frozenset())
        if warm is None or warm.applied != cursor.applied:
            return cursor, Known({}, frozenset())
        warm.rows.update(rows)
        return cursor, Known(warm.rows, frozenset(key for key in cold if key not in rows))

    def _process(
        self, batch: _Batch, cursor: Cursor, known: Known, remaining_s: RemainingTime
    ) -> BatchReport:
        records, intake, touched = batch
        shard_id = records[0].shard_id
        folded = self._folding.fold(intake.accepted, touched, shard_id, cursor, known, remaining_s)
        refused = [*intake.refused, *folded.refused]
        tally = self._tally(records, intake, refused, cursor)
        anomalies = archived(folded.anomalies, folded.events, records) if folded.anomalies else []
        anomalies += self._health(records, intake, refused, tally)
        self._write_first(records, folded, refused, anomalies, remaining_s)
        if folded.parts:
            self._states.write_states(shard_id, folded.parts, remaining_s)
        self._states.write_states(shard_id, folded.rows, remaining_s)
        known.rows.update(folded.parts)
        known.rows.update(folded.rows)
        cursor = msgspec.structs.replace(cursor, tally=tally)
        self._advance(records, cursor, known.rows)
        return report(
            records,
            [item.event for item in folded.events],
            lake_only=sum(type(item.event) in self._lake_only for item in folded.events),
            collapsed=intake.collapsed,
            quarantined=len(refused),
            anomalies=len(anomalies),
            stray=len(intake.stray),
        )

    def _process_alone(
        self,
        records: Sequence[KinesisRecord],
        cursor: Cursor,
        known: Known,
        remaining_s: RemainingTime,
    ) -> BatchReport:
        """Process a batch of one, which may be what bisection left of a batch that killed us.

        The attempt is marked on the cursor first. A mark that stays behind means that the function
        went down, so an orderly failure takes its mark back.
        """
        record = records[0]
        is_suspect = cursor.suspect == record.sequence_number
        attempts = cursor.attempts if is_suspect else 0
        if attempts >= MAX_ATTEMPTS:
            return self._set_aside(record, cursor, attempts, remaining_s)
        marked = msgspec.structs.replace(
            cursor, suspect=record.sequence_number, attempts=attempts + 1
        )
        try:
            self._states.write_cursor(record.shard_id, marked)
            return self._process(self._take_in(records), marked, known, remaining_s)
        except RetryableError:
            self._unmark(record.shard_id, msgspec.structs.replace(marked, attempts=attempts))
            raise

    def _unmark(self, shard_id: str, cursor: Cursor) -> None:
        """Take the mark back, stubbornly: left behind, it makes an outage look like a death."""
        for _ in range(UNMARK_TRIES - 1):
            try:
                return self._states.write_cursor(shard_id, cursor)
            except RetryableError:
                continue
        return self._states.write_cursor(shard_id, cursor)

    def _set_aside(
        self, record: KinesisRecord, cursor: Cursor, attempts: int, remaining_s: RemainingTime
    ) -> BatchReport:
        reason = f"the function went down on it {attempts} times"
        refused = [Refused(record, whole(record), reason, "$")]
        fact = health.poison_record(
            self._health_rules,
            record.shard_id,
            record.arrived_at,
            record.sequence_number,
            attempts,
        )
        nothing = Folded([], [], {}, {}, [])
        self._write_first([record], nothing, refused, [fact], remaining_s)
        self._advance([record], cursor, {})
        return report([record], [], lake_only=0, collapsed=0, quarantined=1, anomalies=1, stray=0)

    def _write_first(
        self,
        records: Sequence[KinesisRecord],
        folded: Folded,
        refused: Sequence[Refused],
        anomalies: Sequence[Anomaly],
        remaining_s: RemainingTime,
    ) -> None:
        objects = lake_objects(folded.events, records) + quarantine_objects(refused, records)
        self._sink.write(self._rows(folded.events), anomalies, objects, remaining_s)

    def _rows(self, events: Sequence[Accepted]) -> list[StoredEvent]:
        return [
            StoredEvent(item.event_id, item.event)
            for item in events
            if type(item.event) not in self._lake_only
        ]

    def _advance(
        self,
        records: Sequence[KinesisRecord],
        cursor: Cursor,
        rows: dict[StateKey, StateRow],
    ) -> None:
        shard_id = records[0].shard_id
        applied = max(cursor.applied, records[-1].sequence_number)
        after = Cursor(
            applied=applied,
            ancestors=cursor.ancestors,
            arrived_at=max(cursor.arrived_at, records[-1].arrived_at),
            tally=cursor.tally,
        )
        self._states.write_cursor(shard_id, after)
        self._warm[shard_id] = _Warm(applied, rows if len(rows) <= _MAX_WARM_ROWS else {})

    def _ancestors(self, shard_id: str) -> tuple[str, ...]:
        """Walk up from a new shard; a parent with a cursor knows its own ancestors."""
        found: dict[str, None] = {}
        generation = list(self._lineage.parents(shard_id))
        while generation and len(found) < MAX_ANCESTORS:
            above: list[str] = []
            for parent in generation:
                found.setdefault(parent)
                cursor = self._states.read_cursor(parent)
                above.extend(self._lineage.parents(parent) if cursor is None else cursor.ancestors)
            generation = [ancestor for ancestor in above if ancestor not in found]
        return tuple(found)[:MAX_ANCESTORS]

    def _tally(
        self,
        records: Sequence[KinesisRecord],
        intake: Intake,
        refused: Sequence[Refused],
        cursor: Cursor,
    ) -> RecordTally:
        """Count the records that are not counted yet into the shard's present window."""
        applied = cursor.applied
        fresh = sum(item.record.sequence_number > applied for item in intake.accepted)
        fresh += sum(item.record.sequence_number > applied for item in intake.refused)
        fresh_refused = sum(item.record.sequence_number > applied for item in refused)
        window_s = self._health_rules.pipeline_refused_records.window_s
        return cursor.tally.plus(fresh, fresh_refused, records[-1].arrived_at, window_s)

    def _health(
        self,
        records: Sequence[KinesisRecord],
        intake: Intake,
        refused: Sequence[Refused],
        tally: RecordTally,
    ) -> list[Anomaly]:
        """Return at most one fact per kind of trouble in the batch, of defects one per detector."""
        rules, shard_id, arrived_at = self._health_rules, records[0].shard_id, records[0].arrived_at
        facts = []
        defects: dict[str, list[Refused]] = {}
        for item in refused:
            if item.is_defect:
                defects.setdefault(item.detector, []).append(item)
        for detector, items in defects.items():
            reason = f"{items[0].user_record.record_id}: {items[0].reason}"
            count = len(items)
            facts.append(
                health.record_defects(rules, shard_id, arrived_at, count, reason, detector)
            )
        if refused:
            reason = (
                f"{refused[0].user_record.record_id}: {refused[0].reason} (at {refused[0].path})"
            )
            total = len(intake.accepted) + len(intake.refused) + intake.collapsed
            batch = RecordTally(0, total, len(refused))
            fact = health.refused_records(rules, shard_id, arrived_at, batch, tally, reason)
            facts.extend([fact] if fact else [])
        if intake.stray:
            first = intake.stray[0]
            key = "source" if isinstance(first.event, SystemMetric) else "user_id"
            reason = f"{first.user_record.record_id} was put under another key than its {key}"
            strays = len(intake.stray)
            facts.append(health.stray_keys(rules, shard_id, arrived_at, strays, reason))
        return facts
