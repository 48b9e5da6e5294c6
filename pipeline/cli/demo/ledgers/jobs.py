"""The ledger of jobs on queues: done or among the dead letters, and poison there alone."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ONBOARDING: Final = "OnboardingQueue"
THUMBNAILS: Final = "ThumbnailQueue"
DEAD_LETTERS: Final[Mapping[str, str]] = {
    ONBOARDING: "OnboardingDeadLetterQueue",
    THUMBNAILS: "ThumbnailDeadLetterQueue",
}
"""Logical ids of the queues and of where their jobs go that nobody can do."""

_FOREIGN: Final = (
    '{"job":"thumbnails","job_id":"p-4","uploaded_at":"2026-01-01T00:00:00Z","image":'
    '{"bucket":"somebody-elses","key":"uploads/u/x","version_id":"","sequencer":"00"}}'
)

POISON: Final[Mapping[str, Sequence[str]]] = {
    ONBOARDING: (
        "not JSON at all",
        "{}",
        '{"job_type":"send_invoice","job_id":"p-1","user_id":"member-0001"}',
        '{"job_type":"setup_user_profile","job_id":"p-2","user_id":"member-0001"}',
        "[" * 3000,
    ),
    THUMBNAILS: (
        "\u2026",
        '{"job":"thumbnails","job_id":"p-3"}',
        _FOREIGN,
    ),
}
"""Messages that no repetition makes good, by queue."""


@dataclass(slots=True)
class JobsLine:
    """What became of the jobs of one kind on one queue."""

    queue: str
    kind: str
    sent: int = 0
    done: int = 0
    dead: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def balances(self) -> bool:
        """Whether each job was done or set aside, as it was meant to be."""
        return not self.wrong


def draw_up_jobs(
    done: Sequence[JobsLine], dead: Mapping[str, Sequence[str]], *, excused: bool
) -> list[JobsLine]:
    """Add the dead letters to the jobs that were done, and judge the poison.

    Args:
        done: A line per kind of good job, without its dead letters.
        dead: Bodies of the dead letters, by queue.
        excused: Whether a good job may be a dead letter, as things go wrong on purpose.
    """
    lines = [*done]
    for queue, poison in POISON.items():
        letters = Counter(dead[queue])
        line = JobsLine(queue, "poison", sent=len(poison))
        for body in poison:
            line.dead += letters[body]
            if letters[body] != 1:
                line.wrong.append(f"{body[:40]!r} is {letters[body]} times among the dead letters")
        lines.append(line)
    for line in done:
        letters = Counter(kind_of(body) for body in good_letters(dead, line.queue))
        line.dead = letters[line.kind]
        if line.dead and not excused:
            line.wrong.append(f"{line.dead} of {line.kind} are among the dead letters")
        if line.done + line.dead < line.sent:
            line.wrong.append(f"{line.sent - line.done - line.dead} of {line.kind} are nowhere")
    return sorted(lines, key=lambda line: (line.queue, line.kind == "poison", line.kind))


def good_letters(dead: Mapping[str, Sequence[str]], queue: str) -> list[str]:
    """Return the dead letters of a queue that are no poison."""
    return [body for body in dead[queue] if body not in POISON[queue]]


def kind_of(body: str) -> str:
    """Return the kind of a good job."""
    fields: dict[str, Any] = json.loads(body)
    kind: str = fields.get("job_type") or fields["job"]
    return kind


def job_users(dead: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the users of the onboarding jobs among the dead letters."""
    return {json.loads(body)["user_id"] for body in good_letters(dead, ONBOARDING)}


def job_images(dead: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the keys of the images whose thumbnail jobs are among the dead letters."""
    return {json.loads(body)["image"]["key"] for body in good_letters(dead, THUMBNAILS)}


def send_poison(sqs: "SQSClient", url: str, queue: str) -> None:
    """Send a queue its poison."""
    for body in POISON[queue]:
        sqs.send_message(QueueUrl=url, MessageBody=body)


def read_letters(sqs: "SQSClient", url: str) -> Iterator[str]:
    """Take every message out of a queue of dead letters."""
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            yield message["Body"]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
