import gzip
import json
from typing import Any

import pytest

from pipeline.adapters.user_records import user_record
from pipeline.detection.rules import default_rules
from pipeline.detection.signups import change_detectors
from pipeline.errors import InvalidRecordError
from pipeline.flows.users.flow import UserFlow
from pipeline.flows.users.report import BatchReport
from pipeline.flows.users.watching import Watching
from pipeline.users import UserRecord
from tests.fakes.users import (
    FAULTS,
    CrashError,
    FakeStates,
    FakeSuspects,
    FakeUsersAccount,
    Fault,
)
from tests.golden_events import golden

DAY_S = 86_400
RULES = default_rules()


def flow(account: FakeUsersAccount) -> UserFlow:
    watching = Watching(change_detectors(RULES), FakeStates(account), DAY_S)
    return UserFlow(account, account, watching, [account], FakeSuspects(account), RULES.health)


def seconds() -> float:
    return 30.0


def take(account: FakeUsersAccount, *records: UserRecord) -> BatchReport:
    return flow(account).take_batch(records, seconds)


def record(number: int, kind: str, user: str = "u1", **changes: Any) -> UserRecord:  # noqa: ANN401  a part of an AWS event
    image = {"user_id": {"S": user}, "email": {"S": f"{user}@example.com"}}
    event: dict[str, Any] = {
        "eventID": f"{number:032x}",
        "eventName": kind,
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_255_200.0 + number,
            "Keys": {"user_id": {"S": user}},
            "SequenceNumber": str(10**21 + number),
        },
    }
    if kind != "REMOVE":
        event["dynamodb"]["NewImage"] = image | changes.get("now", {})
    if kind != "INSERT":
        event["dynamodb"]["OldImage"] = image | changes.get("was", {})
    return user_record(event | changes.get("top", {}))


HISTORY = [
    record(1, "INSERT"),
    record(2, "MODIFY", was={"phone": {"S": "+411234567"}}, now={"email": {"S": "x@example.org"}}),
    record(3, "INSERT", "u2"),
    record(4, "MODIFY", "u2", now={"email": {"N": "1"}}),
    record(5, "REMOVE"),
    record(6, "INSERT"),
    record(7, "REMOVE", "u2"),
]


def state(account: FakeUsersAccount) -> tuple[Any, ...]:
    """Return all that a repetition must not change; how often a job is queued it may."""
    return (
        account.audit,
        account.anomalies,
        {key: row.state for key, row in account.rows.items()},
        {job.job_id: job for job in account.jobs},
        account.content,
    )


def expected() -> tuple[Any, ...]:
    account = FakeUsersAccount()
    account.content = {"u1": 2, "u2": 2}
    assert take(account, *HISTORY).failed is None
    return state(account)


def deliver(account: FakeUsersAccount) -> int:
    """Deliver the history as Lambda would, and return how many invocations it took."""
    pending, invocations = list(HISTORY), 0
    while pending:
        invocations += 1
        assert invocations < 50
        try:
            report = take(account, *pending)
        except CrashError:
            continue
        numbers = [one.sequence_number for one in pending]
        pending = pending[numbers.index(report.failed) :] if report.failed else []
    return invocations


def test_a_history_gives_jobs_rows_facts_and_erasures() -> None:
    account = FakeUsersAccount()

    report = take(account, *HISTORY)

    assert report.counts() == {
        "taken": 7,
        "jobs": 6,
        "audit_rows": 1,
        "erased": 2,
        "anomalies": 1,
        "quarantined": 1,
    }
    assert {rule for rule, _ in (key.split("#", 1) for key, _ in account.anomalies)} == {
        "account_takeover",
        "pipeline_user_refused",
    }


CALLS = 40


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("struck", range(1, CALLS))
def test_whatever_fails_wherever_the_outcome_is_the_same(fault: Fault, struck: int) -> None:
    account = FakeUsersAccount(lambda number: fault if number == struck else None)
    account.content = {"u1": 2, "u2": 2}

    invocations = deliver(account)

    assert state(account) == expected()
    assert invocations <= 2


def test_the_faults_above_strike_every_call() -> None:
    account = FakeUsersAccount()
    account.content = {"u1": 2, "u2": 2}

    take(account, *HISTORY)

    assert 15 <= len(account.calls) < CALLS


@pytest.mark.parametrize("cut", range(1, len(HISTORY)))
def test_a_batch_that_comes_again_in_other_portions_changes_nothing(cut: int) -> None:
    account = FakeUsersAccount()
    account.content = {"u1": 2, "u2": 2}
    take(account, *HISTORY[:cut])
    take(account, *HISTORY[cut - 1 :])

    take(account, *HISTORY[cut - 1 :])

    assert state(account) == expected()


def test_the_first_portion_that_fails_is_reported_and_all_before_it_stays() -> None:
    account = FakeUsersAccount()
    account.content = {"u1": 9}

    report = take(account, *HISTORY)

    assert report.failed == HISTORY[4].sequence_number
    assert report.taken == 4
    assert [job.user_id for job in account.jobs] == ["u1", "u1", "u2", "u2"]


def test_an_erasure_goes_on_over_as_many_invocations_as_it_needs() -> None:
    account = FakeUsersAccount()
    account.content = {"u1": 9}

    invocations = deliver(account)

    assert invocations == 5
    assert account.content["u1"] == 0


def test_who_comes_back_is_onboarded_after_the_erasure() -> None:
    account = FakeUsersAccount()

    take(account, *HISTORY[4:6])

    assert account.calls.index("content") < account.calls.index("queue")


def test_quarantine_holds_the_record_as_it_came() -> None:
    account = FakeUsersAccount()

    take(account, HISTORY[3])

    (body,) = account.objects.values()
    (line,) = map(json.loads, gzip.decompress(body).splitlines())
    (key,) = account.objects
    assert key.startswith("quarantine/dt=2026-11-21/hour=10/UsersTable-1000000000000000000004")
    assert line["path"] == "$.dynamodb.NewImage.email"
    assert line["record_id"] == "UsersTable:1000000000000000000004"


def test_a_new_expiry_alone_is_not_worth_an_audit_row() -> None:
    account = FakeUsersAccount()

    report = take(account, record(1, "MODIFY", now={"expires_at": {"N": "1800000000"}}))

    assert (report.taken, report.audit_rows, account.audit) == (1, 0, {})


def test_a_removal_needs_no_image_at_all() -> None:
    account = FakeUsersAccount()
    account.content = {"u1": 1}
    broken = record(1, "REMOVE", was={"email": {"N": "1"}, "user_id": {"N": "2"}})

    report = take(account, broken)

    assert (report.erased, report.quarantined, account.content["u1"]) == (1, 0, 0)


class Picky(FakeUsersAccount):
    """A queue that refuses the jobs of one user."""

    def send(self, jobs: Any) -> None:  # noqa: ANN401  the port's own
        if any(job.user_id == "u2" for job in jobs):
            raise InvalidRecordError("refused by the service")
        super().send(jobs)


def test_what_a_service_refuses_is_set_aside_alone() -> None:
    account = Picky()

    report = take(
        account, record(1, "INSERT"), record(2, "INSERT", "u2"), record(3, "INSERT", "u3")
    )

    assert report.failed is None
    assert (report.taken, report.quarantined) == (3, 1)
    assert [job.user_id for job in account.jobs] == ["u1", "u1", "u3", "u3"]


def test_the_golden_event_is_taken_whole() -> None:
    account = FakeUsersAccount()

    report = take(account, *map(user_record, golden("dynamodb_users")))

    assert (report.failed, report.taken, report.erased) == (None, 4, 2)


def test_expired_users_are_erased_and_not_counted() -> None:
    identity = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    expired = [record(n, "REMOVE", f"u{n}", top={"userIdentity": identity}) for n in range(1, 31)]
    removed = [record(n, "REMOVE", f"u{n}") for n in range(31, 61)]

    first, second = FakeUsersAccount(), FakeUsersAccount()
    take(first, *expired)
    take(second, *removed)

    assert first.anomalies == {}
    assert {fact.rule_id for fact in second.anomalies.values()} == {"mass_deletion"}
