"""What a notification is made of beside the fact: the alert's side of it, and who speaks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.detection.anomaly import Severity
from pipeline.flows.alerts.notification import EndedBy, NotificationReason


@dataclass(frozen=True, slots=True)
class Deployment:
    """Who speaks: where this pipeline runs and where its documents and events are.

    `runbook_url` is the address of the operations document; a rule's heading becomes its anchor.
    `stack` names the CloudFormation stack for commands, empty for a local run. An event table or
    the lake is empty where it is unknown; pages then point to what is known.
    """

    service: str
    environment: str
    region: str
    runbook_url: str
    alerts_table: str
    stack: str = ""
    lake_bucket: str = ""
    metrics_table: str = ""
    transactions_table: str = ""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What an alert adds to the fact that causes a notification.

    `notified_at` is when the notification is recorded, which is before it is published.

    Attributes:
        suppressed_count: Notifications of this alert that the page budget has held back.
        silenced_count: Notifications of it that silences and inhibitions have hidden.
        told_severity: What the last notification said, for a rise.
        told_count: What the last notification said, for a tenfold count.
        members: Subjects that have joined the group since the last notification.
        member_count: Subjects in the group, this one included.
        are_over: Whether the members are over instead of new.
        actor: Who acknowledged it, or resolved it by hand.
        note: What the actor had to say about it.
        ended_by: What ended it, for a resolve.
        group: What it is grouped by, empty when it stands alone.
        replay: Whether its events were played again from the lake.
    """

    notification_id: str
    alert_id: str
    thread_id: str
    reason: NotificationReason
    severity: Severity
    count: int
    starts_at: datetime
    last_seen_at: datetime
    ends_at: datetime | None
    detected_at: datetime
    notified_at: datetime
    event_ids: tuple[str, ...]
    suppressed_count: int = 0
    silenced_count: int = 0
    told_severity: Severity | None = None
    told_count: int | None = None
    members: tuple[str, ...] = ()
    member_count: int = 1
    are_over: bool = False
    actor: str = ""
    note: str = ""
    ended_by: EndedBy | None = None
    group: str = ""
    replay: bool = False


@dataclass(frozen=True, slots=True)
class Storm:
    """What a page budget has held back: the material of a digest.

    `rules` and `subjects` are the ones that were held back most, the most first, each with how
    often; `rule_count` and `subject_count` are how many there are in all. `severity` is the highest
    of them. The window is from `starts_at` to before `ends_at`; within it `budget` pages went out.
    The storm is an alert like any other, with an id, a key and a thread, and is resolved like one.
    """

    notification_id: str
    digest_id: str
    dedup_key: str
    thread_id: str
    severity: Severity
    suppressed_count: int
    rules: Sequence[tuple[str, int]]
    rule_count: int
    subjects: Sequence[tuple[str, int]]
    subject_count: int
    starts_at: datetime
    ends_at: datetime
    notified_at: datetime
    budget: int
