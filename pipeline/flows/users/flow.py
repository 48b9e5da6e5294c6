"""The users flow: changes of users in, onboarding jobs, audit rows, facts and erasures out.

Changes are taken in their order. Neighbours that remove nobody are taken together: first what is
idempotent by its key, then the jobs, then the detectors with their facts. A removal is taken alone,
after all before it, so nothing of an earlier life of the user comes after his erasure. The first
part that fails ends the batch there, and the stream delivers the rest again.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from pipeline.detection import health
from pipeline.detection.rules import HealthRules
from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.flows.events.intake import Refused
from pipeline.flows.events.lake import quarantine_objects
from pipeline.flows.users.auditing import audit_row
from pipeline.flows.users.ports import JobQueue, Removal, UserContent, UserSink
from pipeline.flows.users.report import BatchReport
from pipeline.flows.users.watching import Watching
from pipeline.jobs import OnboardingJob, SendWelcome, SetupUserProfile
from pipeline.ports import RemainingTime
from pipeline.records import KinesisRecord
from pipeline.records import UserRecord as QuarantinedRecord
from pipeline.users import UserChange, UserRecord

PLACE = "UsersTable"
"""What quarantine and health facts call the source: a record does not name its shard."""


class _Bad(NamedTuple):
    record: UserRecord
    reason: str
    path: str
    is_defect: bool = False


class UserFlow:
    """Takes batches of the stream of UsersTable, which it never writes.

    Args:
        sink: Where audit rows, facts about the flow and quarantine go.
        queue: Where onboarding jobs go.
        watching: The detectors.
        contents: What belongs to a user, in the order in which it is erased.
        health_rules: How bad the flow's own troubles are.
    """

    def __init__(
        self,
        sink: UserSink,
        queue: JobQueue,
        watching: Watching,
        contents: Sequence[UserContent],
        health_rules: HealthRules,
    ) -> None:
        self._sink = sink
        self._queue = queue
        self._watching = watching
        self._contents = contents
        self._health_rules = health_rules

    def take_batch(self, records: Sequence[UserRecord], remaining_s: RemainingTime) -> BatchReport:
        """Take changes in their order up to the first that fails; safe to repeat.

        Args:
            records: At least one record, in the order of their shard.
            remaining_s: Time left for erasures and for the retries of the adapters.
        """
        report = BatchReport()
        for portion in _portions(records):
            try:
                self._take(portion, report, remaining_s)
            except RetryableError as error:
                report.failed, report.failure = portion[0].sequence_number, error
                break
        return report

    def _take(
        self, portion: Sequence[UserRecord], report: BatchReport, remaining_s: RemainingTime
    ) -> None:
        """Take a portion; when a service refuses something in it, each record by itself."""
        try:
            self._take_together(portion, report, remaining_s)
        except InvalidRecordError as error:
            if len(portion) == 1:
                self._set_aside([_Bad(portion[0], error.reason, error.path)], remaining_s)
                report.quarantined += 1
                report.taken += 1
                return
            for record in portion:
                self._take([record], report, remaining_s)

    def _take_together(
        self, portion: Sequence[UserRecord], report: BatchReport, remaining_s: RemainingTime
    ) -> None:
        by_id = {record.change_id: record for record in portion}
        changes, bad = _read(portion)
        rows = [audit_row(change) for change in changes if change.changed]
        if rows:
            self._sink.write(rows, [], [], remaining_s)
        jobs = [job for change in changes for job in _jobs(change)]
        if jobs:
            self._queue.send(jobs)
        watched = self._watching.take(changes, remaining_s)
        bad += [_broken(by_id[one.change.change_id], one.error) for one in watched.broken]
        if bad:
            self._set_aside(bad, remaining_s)
        erased = sum(self._erase(change, remaining_s) for change in changes)
        report.taken += len(portion)
        report.jobs += len(jobs)
        report.audit_rows += len(rows)
        report.anomalies += watched.anomalies
        report.quarantined += len(bad)
        report.erased += erased

    def _erase(self, change: UserChange, remaining_s: RemainingTime) -> bool:
        if change.kind != "REMOVE":
            return False
        removal = Removal(change.user_id, change.sequence, change.timestamp)
        for content in self._contents:
            if not content.erase(removal, remaining_s):
                raise RetryableError("a removed user has more than one invocation can erase")
        return True

    def _set_aside(self, bad: Sequence[_Bad], remaining_s: RemainingTime) -> None:
        """Quarantine records and say so, once an hour at most."""
        refused = [_refused(one) for one in bad]
        first = bad[0]
        fact = health.user_refused(
            self._health_rules,
            first.record.written_at,
            len(bad),
            f"{first.record.change_id}: {first.reason} (at {first.path})",
        )
        objects = quarantine_objects(refused, [one.record for one in refused])
        self._sink.write([], [fact], objects, remaining_s)


def _portions(records: Sequence[UserRecord]) -> Iterator[list[UserRecord]]:
    """Cut a batch at its removals, each of which is a portion of its own."""
    for is_removal, group in groupby(records, lambda record: record.kind == "REMOVE"):
        portion = list(group)
        yield from ([one] for one in portion) if is_removal else [portion]


def _read(portion: Sequence[UserRecord]) -> tuple[list[UserChange], list[_Bad]]:
    changes: list[UserChange] = []
    bad: list[_Bad] = []
    for record in portion:
        try:
            changes.append(record.read())
        except InvalidRecordError as error:
            bad.append(_Bad(record, error.reason, error.path))
        except Exception as error:  # noqa: BLE001  an unknown bug sets aside its record, visibly
            bad.append(_broken(record, error))
    return changes, bad


def _jobs(change: UserChange) -> list[OnboardingJob]:
    """Return the jobs of a sign-up; a redelivery gives the same ids."""
    if change.kind != "INSERT":
        return []
    setup = SetupUserProfile(
        job_id=f"setup_user_profile-{change.change_id}",
        user_id=change.user_id,
        registration=change.sequence,
        signed_up_at=change.timestamp,
    )
    welcome = SendWelcome(
        job_id=f"send_welcome-{change.change_id}",
        user_id=change.user_id,
        registration=change.sequence,
        signed_up_at=change.timestamp,
    )
    return [setup, welcome]


def _broken(record: UserRecord, error: Exception) -> _Bad:
    """Name the defect by its type alone: its text may quote a personal value."""
    return _Bad(record, f"defect in the users flow: {type(error).__name__}", "$", is_defect=True)


def _refused(bad: _Bad) -> Refused:
    record, data = bad.record, bad.record.data()
    number = int(record.sequence_number)
    whole = KinesisRecord(PLACE, number, record.change_id, record.written_at, data)
    user_record = QuarantinedRecord(record.change_id, record.change_id, data)
    return Refused(whole, user_record, bad.reason, bad.path, bad.is_defect)
