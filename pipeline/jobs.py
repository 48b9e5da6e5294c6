"""Jobs on queues: one frozen struct per job type, and the decoder that checks them.

`schemas/` is generated from these types, as it is from the events. A job names its user and holds
nothing personal: whoever does it reads the user then, so a job that waits in a queue or a
dead-letter queue neither outlives an erasure nor brings old data back.
"""

from typing import Final

import msgspec

from pipeline.errors import InvalidRecordError
from pipeline.events import Identifier, Timestamp
from pipeline.users import Sequence40

MAX_JOB_BYTES: Final = 4096
"""Longest text taken for a job: it holds a handful of ids."""


class SetupUserProfile(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="job_type", tag="setup_user_profile"
):
    """Make the profile of a user who has signed up; `registration` orders the sign-ups of an id."""

    job_id: Identifier
    user_id: Identifier
    registration: Sequence40
    signed_up_at: Timestamp


class SendWelcome(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="job_type", tag="send_welcome"
):
    """Welcome a user who has signed up, once."""

    job_id: Identifier
    user_id: Identifier
    registration: Sequence40
    signed_up_at: Timestamp


OnboardingJob = SetupUserProfile | SendWelcome


def decode_onboarding_job(body: str) -> OnboardingJob:
    """Decode and check one job.

    Raises:
        InvalidRecordError: No job of this queue; never quotes the body.
    """
    if len(body) > MAX_JOB_BYTES:
        raise InvalidRecordError(f"{len(body)} characters, the limit is {MAX_JOB_BYTES}")
    try:
        job: OnboardingJob = _decoder.decode(body)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        path = path.strip("`") or "$"
        if path == "$.job_type":
            reason = "no job type of this queue"
        raise InvalidRecordError(reason, path) from None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise InvalidRecordError("not JSON") from None
    return job


def encode_job(job: OnboardingJob) -> str:
    """Return a job's JSON."""
    return msgspec.json.encode(job).decode()


_decoder: Final = msgspec.json.Decoder(OnboardingJob)
