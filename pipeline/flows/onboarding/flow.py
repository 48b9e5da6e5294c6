"""The onboarding flow: one job in, a profile or a welcome out.

A job comes at least once, in any order, and perhaps days late out of a dead-letter queue. So the
profile is idempotent by its key and its registration, the welcome is remembered by its job, and
both read the user when they are done: who has been deleted meanwhile gets neither.
"""

from typing import Literal

from msgspec import UNSET

from pipeline.flows.onboarding.ports import Notifier, Once, Profile, Profiles, Users, Welcome
from pipeline.jobs import OnboardingJob, SendWelcome, SetupUserProfile

Outcome = Literal["profile set up", "welcome sent", "done before", "user is gone"]


class OnboardingFlow:
    """Does onboarding jobs; safe to repeat and to run several times at once."""

    def __init__(self, users: Users, profiles: Profiles, notifier: Notifier, once: Once) -> None:
        self._users = users
        self._profiles = profiles
        self._notifier = notifier
        self._once = once

    def do(self, job: OnboardingJob) -> Outcome:
        """Do one job.

        Raises:
            InvalidRecordError: The user's row breaks its contract; no repetition helps.
            RetryableError: Throttling or outage; deliver the job again.
        """
        if isinstance(job, SetupUserProfile):
            return self._set_up(job)
        return self._welcome(job)

    def _set_up(self, job: SetupUserProfile) -> Outcome:
        user = self._users.find(job.user_id)
        if user is None:
            return "user is gone"
        profile = Profile(
            user_id=job.user_id,
            registration=job.registration,
            display_name="" if user.name is UNSET else user.name,
            locale="" if user.locale is UNSET else user.locale,
            signed_up_at=job.signed_up_at,
        )
        match self._profiles.set_up(profile):
            case "set up":
                return "profile set up"
            case "known":
                return "done before"
            case "gone":
                return "user is gone"

    def _welcome(self, job: SendWelcome) -> Outcome:
        user = self._users.find(job.user_id)
        if user is None:
            return "user is gone"
        welcome = Welcome(
            job_id=job.job_id,
            user_id=job.user_id,
            email=user.email,
            name="" if user.name is UNSET else user.name,
            locale="" if user.locale is UNSET else user.locale,
        )
        is_sent = self._once.do(job.job_id, lambda: self._notifier.welcome(welcome))
        return "welcome sent" if is_sent else "done before"
