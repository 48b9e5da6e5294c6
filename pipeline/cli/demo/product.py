"""The product's side of the demo: its users, their pictures, and jobs that nobody can do."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from pipeline.cli.demo.inbox import Inbox
from pipeline.cli.demo.ledgers.images import (
    ImageLine,
    ImagesFound,
    Stored,
    Uploaded,
    draw_up_images,
    read_keys,
    read_thumbnails,
)
from pipeline.cli.demo.ledgers.jobs import (
    DEAD_LETTERS,
    ONBOARDING,
    POISON,
    THUMBNAILS,
    JobsLine,
    draw_up_jobs,
    job_images,
    job_users,
    read_letters,
    send_poison,
)
from pipeline.cli.demo.ledgers.users import (
    UsersFound,
    UsersLine,
    count_by_user,
    draw_up_users,
    read_welcomes,
)
from pipeline.cli.producers.image_rows import ImageState, read_images
from pipeline.cli.traffic.incidents import PlantedIncident
from pipeline.cli.traffic.people import Crowd, Plan, PutUser, UserAction, make_crowd
from pipeline.cli.traffic.pictures import Album, make_album
from pipeline.cli.traffic.user_table import UserTable
from pipeline.local.rekognition import Declared
from pipeline.local.run import LocalRun

_BROKEN_USER: Final = PutUser({"user_id": "no-email", "name": "Nobody"})
"""A row that breaks the contract of UsersTable."""

_UPLOADS_DEAD_LETTERS: Final = "UploadsDeadLetterQueue"


@dataclass(frozen=True, slots=True)
class ProductResult:
    """The ledgers of users, images and jobs; `declared` are the moderation answers of the run."""

    users: tuple[UsersLine, ...]
    images: tuple[ImageLine, ...]
    jobs: tuple[JobsLine, ...]
    declared: Declared


class Product:
    """Feeds the sources other than the event stream, and reads back what came of it.

    Args:
        crowd: The users.
        album: Their pictures; the declared answers are already with the local Rekognition.
        now: Tells the time in UTC.
    """

    def __init__(self, crowd: Crowd, album: Album, now: Callable[[], datetime]) -> None:
        self._crowd = crowd
        self._album = album
        self._now = now
        self._uploads: list[Uploaded] = []
        self._since = self._until = now()
        self._joined: frozenset[str] = frozenset()
        self._rows: tuple[ImageState, ...] = ()
        self._thumbnails: dict[str, Stored] = {}

    @classmethod
    def seeded(
        cls, people: int, seed: int, now: Callable[[], datetime], more: Declared | None = None
    ) -> Self:
        """Make users and pictures; a user who leaves has uploaded one.

        Args:
            people: Number of ordinary users.
            seed: Chooses everything.
            now: Tells the time in UTC.
            more: Moderation answers beside those of the pictures.
        """
        crowd = make_crowd(people, seed)
        album = make_album(seed, crowd.leaving[0].user_id)
        declared = Declared(image=(*album.declared.image, *(more.image if more else ())))
        return cls(crowd, replace(album, declared=declared), now)

    @property
    def declared(self) -> Declared:
        """What Rekognition has to be told beforehand."""
        return self._album.declared

    @property
    def words(self) -> str:
        """What is fed, for people."""
        crowd = self._crowd
        return (
            f"{len(crowd.joining)} users sign up, {len(crowd.leaving)} are removed, "
            f"{len(self._album.pictures)} files are uploaded"
        )

    @property
    def steps(self) -> int:
        """How many writes, uploads and messages `feed` makes."""
        crowd, poison = self._crowd, sum(map(len, POISON.values()))
        return len(crowd.joining) + len(crowd.changing) + len(self._album.pictures) + 1 + poison

    def incidents(self, run: LocalRun) -> tuple[PlantedIncident, ...]:
        """Return what must be found, from the first write on."""
        plans = (*self._crowd.plans, *self._album.plans)
        since, until = self._since - timedelta(seconds=2), self._until + timedelta(minutes=1)
        hour = since.replace(minute=0, second=0, microsecond=0)  # health facts name their hour
        refused = Plan("a user without an e-mail", "pipeline_user_refused#UsersTable")
        letters = (
            Plan("poison among the dead letters", f"pipeline_dead_letters#{_name(run, queue)}")
            for queue in DEAD_LETTERS.values()
        )
        return (
            *(plan.between(since, until) for plan in plans),
            refused.between(hour, until),
            *(plan.between(since, self._now()) for plan in letters),  # the sweep is fired last
        )

    def subscribe(self, run: LocalRun) -> None:
        """Subscribe to NotificationsTopic, before anything is written."""
        names = run.deployment.physical_ids
        sns, sqs = run.endpoint.client("sns"), run.endpoint.client("sqs")
        self._inbox = Inbox(sns, sqs, names["NotificationsTopic"], "streamwarden-demo-welcomes")

    def feed(self, run: LocalRun) -> Iterator[int]:
        """Let users sign up and change, upload their pictures, send poison; count the steps."""
        self._since = self._now()
        names, done = run.deployment.physical_ids, 0
        sqs, s3 = run.endpoint.client("sqs"), run.endpoint.client("s3")
        for queue, poison in POISON.items():  # first, as it takes its time to be given up
            send_poison(sqs, names[queue], queue)
            done += len(poison)
            yield done
        actions: list[UserAction] = [*self._crowd.joining, _BROKEN_USER, *self._crowd.changing]
        for _ in self._users(run).write(actions):
            done += 1
            yield done
        for picture in self._album.pictures:
            put = s3.put_object(
                Bucket=names["ContentBucket"],
                Key=picture.key,
                Body=picture.body,
                ContentType=picture.content_type,
            )
            self._uploads.append(Uploaded(picture, put["VersionId"]))
            done += 1
            yield done
        self._until = self._now()

    def leave(self, run: LocalRun) -> None:
        """Look at what was made, then remove users; all that was fed must have been drained."""
        names, dynamodb = run.deployment.physical_ids, run.endpoint.client("dynamodb")
        self._joined = frozenset(count_by_user(dynamodb, names["ProfilesTable"]))
        self._rows = tuple(read_images(dynamodb, names["ImagesTable"]))
        s3 = run.endpoint.client("s3")
        self._thumbnails = dict(read_thumbnails(s3, names["ContentBucket"]))
        for _ in self._users(run).write(self._crowd.leaving):
            pass
        self._until = self._now()

    def read_back(
        self, run: LocalRun, quarantine: Sequence[bytes], *, things_go_wrong: bool
    ) -> ProductResult:
        """Hold everything against tables, bucket, topic and queues, once all is drained.

        Args:
            run: The run.
            quarantine: The records in quarantine.
            things_go_wrong: Whether faults are injected: a good job may then be a dead letter,
                and a message may come twice.
        """
        names, sqs = run.deployment.physical_ids, run.endpoint.client("sqs")
        dead = {
            queue: list(read_letters(sqs, names[letters]))
            for queue, letters in DEAD_LETTERS.items()
        }
        lost_uploads = [_key_of(body) for body in read_letters(sqs, names[_UPLOADS_DEAD_LETTERS])]
        users = draw_up_users(
            self._crowd,
            [_BROKEN_USER.user_id],
            self._users_found(run, quarantine),
            excused=job_users(dead),
            copies_allowed=things_go_wrong,
        )
        leaving = {action.user_id for action in self._crowd.leaving}
        excused = {*job_images(dead), *(lost_uploads if things_go_wrong else [])}
        images = draw_up_images(self._uploads, self._images_found(run), leaving, excused)
        jobs = draw_up_jobs(_done(users, images), dead, excused=things_go_wrong)
        return ProductResult(tuple(users), tuple(images), tuple(jobs), self.declared)

    def _users(self, run: LocalRun) -> UserTable:
        name = run.deployment.physical_ids["UsersTable"]
        return UserTable(run.endpoint.client("dynamodb"), name)

    def _users_found(self, run: LocalRun, quarantine: Sequence[bytes]) -> UsersFound:
        names, dynamodb = run.deployment.physical_ids, run.endpoint.client("dynamodb")
        return UsersFound(
            joined=self._joined,
            profiles=frozenset(count_by_user(dynamodb, names["ProfilesTable"])),
            welcomes=read_welcomes(self._inbox.read()),
            audit_rows=count_by_user(dynamodb, names["AuditTable"]),
            quarantine=tuple(quarantine),
        )

    def _images_found(self, run: LocalRun) -> ImagesFound:
        names, dynamodb = run.deployment.physical_ids, run.endpoint.client("dynamodb")
        keys = read_keys(run.endpoint.client("s3"), names["ContentBucket"])
        rows = (row.key for row in read_images(dynamodb, names["ImagesTable"]))
        return ImagesFound(self._rows, self._thumbnails, (*keys, *rows))


def _name(run: LocalRun, queue: str) -> str:
    return run.deployment.physical_ids[queue].rpartition("/")[2]


def _done(users: Sequence[UsersLine], images: Sequence[ImageLine]) -> list[JobsLine]:
    """Count the jobs by what they leave behind."""
    joined = sum(line.users for line in users if not line.quarantined)
    profiles = sum(line.profiles for line in users)
    welcomed = sum(line.welcomed for line in users)
    worked = [line for line in images if line.picture.fate in {"ready", "replaced", "broken"}]
    finished = sum(line.fate not in {"labelled", "no row"} for line in worked)
    return [
        JobsLine(ONBOARDING, "setup_user_profile", sent=joined, done=profiles),
        JobsLine(ONBOARDING, "send_welcome", sent=joined, done=welcomed),
        JobsLine(THUMBNAILS, "thumbnails", sent=len(worked), done=finished),
    ]


def _key_of(body: str) -> str:
    """Return the key of the object whose event Lambda or EventBridge gave up."""
    letter: dict[str, Any] = json.loads(body)
    event: Mapping[str, Any] = letter.get("requestPayload", letter)
    key: str = event["detail"]["object"]["key"]
    return key
