"""Records that take the users flow down, behind Lambda's poller in virtual time."""

import gzip
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pipeline.detection.rules import default_rules
from pipeline.detection.signups import change_detectors
from pipeline.errors import RetryableError
from pipeline.flows.users.flow import UserFlow
from pipeline.flows.users.watching import Watching
from pipeline.jobs import OnboardingJob
from pipeline.local.semantics.stream_types import Invoke, Raised, Result
from pipeline.users import UserRecord
from tests.fakes.users import CrashError, FakeStates, FakeSuspects, FakeUsersAccount
from tests.local import stream_harness
from tests.unit.flows.users.test_flow import record

DAY_S = 86_400
RULES = default_rules()
SIGN_UPS = [record(number, "INSERT", f"u{number}") for number in range(1, 31)]
DEADLY = SIGN_UPS[16]


class Deadly(FakeUsersAccount):
    """A queue on which the jobs of some users meet a trouble, as `trouble` says."""

    def __init__(self, trouble: Callable[[str], BaseException | None]) -> None:
        super().__init__()
        self._trouble = trouble

    def send(self, jobs: Sequence[OnboardingJob]) -> None:
        for job in jobs:
            if trouble := self._trouble(job.user_id):
                raise trouble
        super().send(jobs)


def flow(account: FakeUsersAccount, *, is_late: bool = False) -> UserFlow:
    watching = Watching(change_detectors(RULES), FakeStates(account), DAY_S)
    suspects = FakeSuspects(account)
    contents = [account]
    return UserFlow(account, account, watching, contents, suspects, RULES.health, is_late=is_late)


def deliver(account: FakeUsersAccount, records: Sequence[UserRecord]) -> stream_harness.StreamRun:
    """Deliver records under the mapping's policy in template.yaml until none is left."""
    by_number = {one.sequence_number: one for one in records}

    def invoke(step: Invoke) -> Result:
        batch = [by_number[number] for number in stream_harness.numbers(step.batch)]
        try:
            report = flow(account).take_batch(batch, lambda: 30.0)
        except (CrashError, ZeroDivisionError):
            return Raised()
        return stream_harness.failing(report.failed) if report.failed else stream_harness.SUCCESS

    policy = stream_harness.policy(batch_size=50, bisect=True, age_s=79_200)
    return stream_harness.StreamRun(
        policy, [stream_harness.record(number) for number in by_number], invoke
    ).run()


def quarantined(account: FakeUsersAccount) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for body in account.objects.values()
        for line in gzip.decompress(body).splitlines()
    ]


@pytest.mark.parametrize("death", [CrashError(), ZeroDivisionError("a bug")])
def test_a_record_that_takes_the_function_down_is_set_aside_and_its_neighbours_are_taken(
    death: BaseException,
) -> None:
    account = Deadly(lambda user: death if user == "u17" else None)

    run = deliver(account, SIGN_UPS)

    assert {job.user_id for job in account.jobs} == {f"u{n}" for n in range(1, 31) if n != 17}
    assert [(line["record_id"], line["reason"]) for line in quarantined(account)] == [
        ("UsersTable:1000000000000000000017", "the function went down on it 2 times")
    ]
    assert run.discards == []
    assert run.now < 60
    assert account.marks == {}


def test_who_is_on_call_hears_which_record_it_was() -> None:
    account = Deadly(lambda user: CrashError() if user == "u17" else None)

    deliver(account, SIGN_UPS)

    (fact,) = [
        fact for fact in account.anomalies.values() if fact.rule_id == "pipeline_poison_record"
    ]
    assert (fact.subject, fact.severity, fact.component) == ("UsersTable", "high", "users flow")
    assert fact.title == "A record of UsersTable took the function down 2 times"
    assert fact.reasons == (
        "sequence number 1000000000000000000017 went to quarantine untried",
        "read it: streamwarden quarantine show UsersTable:1000000000000000000017",
    )


def test_an_outage_is_no_death_however_long_it_is() -> None:
    left = [3_000]

    def outage(_: str) -> BaseException | None:
        left[0] -= 1
        return RetryableError("throttled") if left[0] > 0 else None

    account = Deadly(outage)

    run = deliver(account, [DEADLY])

    assert run.now > 6 * 3600
    assert quarantined(account) == []
    assert len(account.jobs) == 2
    assert account.marks == {}


def test_deaths_count_in_a_row() -> None:
    troubles = [CrashError(), RetryableError("throttled"), CrashError(), None, None]
    account = Deadly(lambda _: troubles.pop(0))

    deliver(account, [DEADLY])

    assert quarantined(account) == []
    assert len(account.jobs) == 2


def test_a_mark_that_cannot_be_taken_back_at_once_is_taken_back_all_the_same() -> None:
    account = FakeUsersAccount(
        lambda _: (
            "outage" if account.calls[-1] == "clear" and account.calls.count("clear") < 3 else None
        )
    )

    report = flow(account).take_batch([DEADLY], lambda: 30.0)

    assert report.failed is None
    assert account.marks == {}


def test_what_comes_back_out_of_turn_is_not_marked_and_overwrites_nothing() -> None:
    account = FakeUsersAccount()
    broken = record(4, "MODIFY", "u2", now={"email": {"N": "1"}})
    flow(account).take_batch([broken], lambda: 30.0)

    report = flow(account, is_late=True).take_batch([broken], lambda: 30.0)

    assert report.quarantined == 1
    assert len(account.objects) == 2
    assert account.calls.count("mark") == 1
