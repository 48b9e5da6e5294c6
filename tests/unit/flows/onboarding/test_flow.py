from itertools import permutations

import msgspec
import pytest

from pipeline.flows.onboarding.flow import OnboardingFlow
from pipeline.jobs import OnboardingJob, SendWelcome, SetupUserProfile
from pipeline.users import User
from tests.fakes.users import FAULTS, CrashError, FakeOnboarding, FakeUsersAccount, Fault
from tests.unit.detection.series import START

MARA = User(user_id="u1", email="mara@example.com", name="Mara")


def setup(number: int) -> SetupUserProfile:
    return SetupUserProfile(
        job_id=f"setup-{number}", user_id="u1", registration=f"{number:040}", signed_up_at=START
    )


def welcome(number: int) -> SendWelcome:
    return SendWelcome(
        job_id=f"welcome-{number}", user_id="u1", registration=f"{number:040}", signed_up_at=START
    )


def flow(account: FakeUsersAccount) -> OnboardingFlow:
    port = FakeOnboarding(account)
    return OnboardingFlow(port, port, port, port)


def account_with_mara() -> FakeUsersAccount:
    account = FakeUsersAccount()
    account.users["u1"] = MARA
    return account


@pytest.mark.parametrize("order", list(permutations([setup(1), setup(2), setup(1)])))
def test_the_newest_registration_wins_in_whatever_order_the_jobs_come(
    order: tuple[OnboardingJob, ...],
) -> None:
    account = account_with_mara()

    for job in order:
        flow(account).do(job)

    assert account.profiles["u1"].registration == f"{2:040}"


def test_a_repetition_says_so() -> None:
    account = account_with_mara()

    jobs: list[OnboardingJob] = [setup(1), welcome(1), setup(1), welcome(1)]
    outcomes = [flow(account).do(job) for job in jobs]

    assert outcomes == ["profile set up", "welcome sent", "done before", "done before"]
    assert len(account.welcomes) == 1


@pytest.mark.parametrize("job", [setup(1), welcome(1)])
def test_a_user_who_is_gone_gets_nothing(job: OnboardingJob) -> None:
    account = FakeUsersAccount()

    outcome = flow(account).do(job)

    assert outcome == "user is gone"
    assert (account.profiles, account.welcomes) == ({}, [])


def test_a_user_erased_between_reading_and_writing_gets_no_profile() -> None:
    account = account_with_mara()
    port = FakeOnboarding(account)

    class Erasing(FakeOnboarding):
        def find(self, user_id: str) -> User | None:
            user = super().find(user_id)
            account.users.clear()
            return user

    outcome = OnboardingFlow(Erasing(account), port, port, port).do(setup(1))

    assert outcome == "user is gone"
    assert account.profiles == {}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("struck", range(1, 6))
def test_whatever_fails_wherever_profile_and_welcome_are_there_in_the_end(
    fault: Fault, struck: int
) -> None:
    account = account_with_mara()
    account.fault = lambda number: fault if number == struck else None

    jobs: list[OnboardingJob] = [setup(1), welcome(1)]
    for job in jobs * 3:
        try:
            flow(account).do(job)
        except (Exception, CrashError):  # noqa: BLE001  the queue delivers it again
            continue

    assert account.profiles["u1"].display_name == "Mara"
    assert {one.job_id for one in account.welcomes} == {"welcome-1"}
    is_after = fault in {"lost reply", "crash after"} and struck == 4
    assert len(account.welcomes) == (2 if is_after else 1)


def test_a_job_holds_nothing_personal() -> None:
    fields = {field.name for field in msgspec.structs.fields(SendWelcome)}

    assert fields == {"job_id", "user_id", "registration", "signed_up_at"}
    assert fields == {field.name for field in msgspec.structs.fields(SetupUserProfile)}
