"""What the onboarding flow needs from outside, as protocols.

Every method raises `RetryableError` for throttling and outage, after its own bounded retries.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from pipeline.users import User


class Profile(NamedTuple):
    """The profile of a user as it is set up; `registration` orders the sign-ups of one user id."""

    user_id: str
    registration: str
    display_name: str
    locale: str
    signed_up_at: datetime


SetUp = Literal["set up", "known", "gone"]
"""`known`: a profile of this or a later registration is there and stays as it is. `gone`: there is
no such user any more."""


class Users(Protocol):
    """The users, to be read."""

    def find(self, user_id: str) -> User | None:
        """Read a user consistently, None if there is none.

        Raises:
            InvalidRecordError: The row breaks its contract.
        """


class Profiles(Protocol):
    """The profiles."""

    def set_up(self, profile: Profile) -> SetUp:
        """Write the profile unless one of this or a later registration is there, or no user is.

        A repetition, late or not, changes nothing.
        """


class Welcome(NamedTuple):
    """What a user is welcomed with."""

    job_id: str
    user_id: str
    email: str
    name: str
    locale: str


class Notifier(Protocol):
    """The topic of messages to users."""

    def welcome(self, welcome: Welcome) -> None:
        """Publish one message. A repetition publishes a second copy, under the same job id."""


class Once(Protocol):
    """Remembers what has been done."""

    def do(self, key: str, effect: Callable[[], None]) -> bool:
        """Have the effect unless it was had under this key before, and return whether it was now.

        When the effect raises, nothing is remembered. A crash right after the effect can repeat it.

        Raises:
            RetryableError: Somebody else is at it, or throttling and outage.
        """
