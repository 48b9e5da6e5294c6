"""The users flow: changes of users in, onboarding jobs, audit rows, facts and erasures out.

Changes are taken in their order. Neighbours that remove nobody are taken together: first what is
idempotent by its key, then the jobs, then the detectors with their facts. A removal is taken alone,
after all before it, so nothing of an earlier life of the user comes after his erasure. The first
part that fails ends the batch there, and the stream delivers the rest again.

A batch that takes the function down comes again in halves, down to the record that does it. So a
record that comes alone is marked before it is tried, and the third time it goes to quarantine
untried: it holds its shard for three deaths, not for as long as the stream keeps it.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from pipeline.detection import health
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import HealthRules
from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.flows.events.intake import Refused, whole
from pipeline.flows.events.lake import quarantine_objects
from pipeline.flows.users.auditing import audit_row
from pipeline.flows.users.ports import JobQueue, Removal, Suspects, UserContent, UserSink
from pipeline.flows.users.report import BatchReport
from pipeline.flows.users.watching import Watching
from pipeline.jobs import OnboardingJob, SendWelcome, SetupUserProfile
from pipeline.ports import RemainingTime
from pipeline.records import KinesisRecord
from pipeline.users import UserChange, UserRecord

PLACE: Final = "UsersTable"
"""What quarantine and health facts call the source: a record does not name its shard."""

MAX_TRIES: Final = 2
"""How often a record is tried alone and takes the function down before it is set aside untried."""

CLEAR_TRIES: Final = 4
"""How often a mark is taken back, each time with the client's own retries."""

_COMPONENT: Final = "users flow"
_MARK_LIVES_S: Final = 2 * 86_400  # the stream keeps a record for half as long


class Bad(NamedTuple):
    """A record that cannot be taken, and why; the reason never quotes a personal value."""

    record: UserRecord
    reason: str
    path: str


class UserFlow:
    """Takes batches of the stream of UsersTable, which it never writes.

    Args:
        sink: Where audit rows, facts about the flow and quarantine go.
        queue: Where onboarding jobs go.
        watching: The detectors.
        contents: What belongs to a user, in the order in which it is erased.
        suspects: Records that were tried alone and never ended.
        health_rules: How bad the flow's own troubles are.
        is_late: The records come out of turn, brought back by the command: they hold no shard, and
            what is refused of them overwrites nothing in quarantine but itself.
    """

    def __init__(  # noqa: PLR0913  the ports of the flow
        self,
        sink: UserSink,
        queue: JobQueue,
        watching: Watching,
        contents: Sequence[UserContent],
        suspects: Suspects,
        health_rules: HealthRules,
        *,
        is_late: bool = False,
    ) -> None:
        self._sink = sink
        self._queue = queue
        self._watching = watching
        self._contents = contents
        self._suspects = suspects
        self._health_rules = health_rules
        self._is_late = is_late

    def take_batch(self, records: Sequence[UserRecord], remaining_s: RemainingTime) -> BatchReport:
        """Take changes in their order up to the first that fails; safe to repeat.

        Args:
            records: At least one record, in the order of their shard.
            remaining_s: Time left for erasures and for the retries of the adapters.
        """
        if self._is_late or len(records) > 1:
            return self._take_all(records, remaining_s)
        try:
            return self._take_alone(records[0], remaining_s)
        except RetryableError as error:
            return BatchReport(failed=records[0].sequence_number, failure=error)

    def _take_alone(self, record: UserRecord, remaining_s: RemainingTime) -> BatchReport:
        """Take a batch of one, which may be what bisection left of a batch that killed us.

        A mark that stays behind means that the function went down, so every orderly end takes it
        back.
        """
        tries = self._suspects.tries(record.change_id, remaining_s)
        if tries >= MAX_TRIES:
            report = self._set_aside_untried(record, tries, remaining_s)
        else:
            expires_at = int(record.written_at) + _MARK_LIVES_S
            self._suspects.mark(record.change_id, tries + 1, expires_at)
            report = self._take_all([record], remaining_s)
        self._clear(record.change_id)
        return report

    def _clear(self, change_id: str) -> None:
        """Take the mark back, stubbornly: left behind, it makes an outage look like a death."""
        for _ in range(CLEAR_TRIES - 1):
            try:
                return self._suspects.clear(change_id)
            except RetryableError:
                continue
        return self._suspects.clear(change_id)

    def _take_all(self, records: Sequence[UserRecord], remaining_s: RemainingTime) -> BatchReport:
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
                self._set_aside([Bad(portion[0], error.reason, error.path)], remaining_s)
                report.quarantined += 1
                report.taken += 1
                return
            for record in portion:
                self._take([record], report, remaining_s)

    def _take_together(
        self, portion: Sequence[UserRecord], report: BatchReport, remaining_s: RemainingTime
    ) -> None:
        by_id = {record.change_id: record for record in portion}
        changes, bad = read_changes(portion)
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
        removal = Removal(change.user_id, change.sequence)
        for content in self._contents:
            if not content.erase(removal, remaining_s):
                raise RetryableError("a removed user has more than one invocation can erase")
        return True

    def _set_aside(self, bad: Sequence[Bad], remaining_s: RemainingTime) -> None:
        """Quarantine records and say so, once an hour at most."""
        first = bad[0]
        reason = f"{PLACE}:{first.record.sequence_number}: {first.reason} (at {first.path})"
        written_at = first.record.written_at
        fact = health.user_refused(self._health_rules, written_at, len(bad), reason)
        self._quarantine(bad, fact, remaining_s)

    def _set_aside_untried(
        self, record: UserRecord, tries: int, remaining_s: RemainingTime
    ) -> BatchReport:
        fact = health.poison_record(
            self._health_rules,
            PLACE,
            record.written_at,
            int(record.sequence_number),
            tries,
            _COMPONENT,
        )
        bad = Bad(record, f"the function went down on it {tries} times", "$")
        self._quarantine([bad], fact, remaining_s)
        return BatchReport(taken=1, quarantined=1)

    def _quarantine(self, bad: Sequence[Bad], fact: Anomaly, remaining_s: RemainingTime) -> None:
        refused = [_refused(one) for one in bad]
        batch = [one.record for one in refused]
        objects = quarantine_objects(refused, batch, is_late=self._is_late)
        self._sink.write([], [fact], objects, remaining_s)


def _portions(records: Sequence[UserRecord]) -> Iterator[list[UserRecord]]:
    """Cut a batch at its removals, each of which is a portion of its own."""
    for is_removal, group in groupby(records, lambda record: record.kind == "REMOVE"):
        portion = list(group)
        yield from ([one] for one in portion) if is_removal else [portion]


def read_changes(portion: Sequence[UserRecord]) -> tuple[list[UserChange], list[Bad]]:
    """Decode records, each by itself: the changes, and what cannot be one."""
    changes: list[UserChange] = []
    bad: list[Bad] = []
    for record in portion:
        try:
            changes.append(record.read())
        except InvalidRecordError as error:
            bad.append(Bad(record, error.reason, error.path))
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


def _broken(record: UserRecord, error: Exception) -> Bad:
    """Name the defect by its type alone: its text may quote a personal value."""
    return Bad(record, f"defect in the users flow: {type(error).__name__}", "$")


def _refused(bad: Bad) -> Refused:
    record = bad.record
    number = int(record.sequence_number)
    row = KinesisRecord(PLACE, number, record.change_id, record.written_at, record.data())
    return Refused(row, whole(row), bad.reason, bad.path)
