"""The events of S3: notifications to functions, queues and topics, and events for EventBridge.

`ObjectChange` is what happened, however it came to be known; everything else here is text. A
notification has one record. Its key is form-encoded: a space is `+`, `@` is `%40`, `/` stays; in
EventBridge's event the key is as it is. Nothing is promised about order: the `sequencer` tells,
for one key, which change is later (`is_later`).

Source: Amazon S3 User Guide, "Event message structure", "EventBridge event message structure",
"Configuring event notifications using object key name filtering", and events recorded from AWS.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote_plus

CREATED: Final = "ObjectCreated"
REMOVED: Final = "ObjectRemoved"

EVENT_NAMES: Final = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectRemoved:Delete": "DeleteObject",
    "ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
}
"""The events that the local run knows, with what EventBridge's event calls their reason."""

_DELETION_TYPES: Final = {
    "ObjectRemoved:Delete": "Permanently Deleted",
    "ObjectRemoved:DeleteMarkerCreated": "Delete Marker Created",
}


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An object that was created or removed.

    `name` is one of `EVENT_NAMES`, `moment` in epoch seconds. `size_bytes` and `etag` are None
    where AWS does not tell them, `version_id` where the bucket keeps no versions. `principal` is
    who asked, `account_id` whose bucket it is.
    """

    name: str
    bucket: str
    key: str
    sequencer: str
    moment: float
    region: str
    account_id: str
    principal: str
    source_ip: str
    request_id: str
    size_bytes: int | None = None
    etag: str | None = None
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    """What a notification asks for: event types as in `s3:ObjectCreated:*`, a prefix, a suffix."""

    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""

    def matches(self, change: ObjectChange) -> bool:
        """Say whether a change is to be told. The filter compares with the key as it is."""
        group = change.name.partition(":")[0]
        return (
            not {f"s3:{change.name}", f"s3:{group}:*"}.isdisjoint(self.events)
            and change.key.startswith(self.prefix)
            and change.key.endswith(self.suffix)
        )


def notification(change: ObjectChange, configuration_id: str) -> dict[str, Any]:
    """Return the notification of a change, which is one record."""
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": change.region,
        "eventTime": _timestamp(change.moment, "milliseconds"),
        "eventName": change.name,
        "userIdentity": {"principalId": f"AWS:{change.principal}"},
        "requestParameters": {"sourceIPAddress": change.source_ip},
        "responseElements": {
            "x-amz-request-id": change.request_id,
            "x-amz-id-2": _extended_request_id(change.request_id),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": change.bucket,
                "ownerIdentity": {"principalId": change.account_id},
                "arn": f"arn:{_partition(change.region)}:s3:::{change.bucket}",
            },
            "object": _present(
                key=quote_plus(change.key, safe="/"),
                size=change.size_bytes,
                eTag=change.etag,
                versionId=change.version_id,
                sequencer=change.sequencer,
            ),
        },
    }
    return {"Records": [record]}


def bus_event(change: ObjectChange, event_id: str) -> dict[str, Any]:
    """Return the event of a change on the default event bus."""
    detail_type = "Object Created" if change.name.startswith(CREATED) else "Object Deleted"
    return {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": "aws.s3",
        "account": change.account_id,
        "time": _timestamp(change.moment, "seconds"),
        "region": change.region,
        "resources": [f"arn:{_partition(change.region)}:s3:::{change.bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": change.bucket},
            "object": _present(
                **{
                    "key": change.key,
                    "size": change.size_bytes,
                    "etag": change.etag,
                    "version-id": change.version_id,
                    "sequencer": change.sequencer,
                }
            ),
            "request-id": change.request_id,
            "requester": change.account_id,
            "source-ip-address": change.source_ip,
            "reason": EVENT_NAMES[change.name],
            **_present(**{"deletion-type": _DELETION_TYPES.get(change.name)}),
        },
    }


def target_notice(bucket: str, moment: float, request_id: str) -> dict[str, Any]:
    """Return what S3 sends to a queue or topic when it becomes a notification's target."""
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": _timestamp(moment, "milliseconds"),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": _extended_request_id(request_id),
    }


def is_later(sequencer: str, other: str) -> bool:
    """Say whether a change of a key is later than another one; equal ones are duplicates.

    Source: Amazon S3 User Guide: pad the shorter on the right with zeros, then compare as text.
    """
    width = max(len(sequencer), len(other))
    return sequencer.ljust(width, "0") > other.ljust(width, "0")


def _present(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  values of JSON
    return {name: value for name, value in fields.items() if value is not None}


def _extended_request_id(request_id: str) -> str:
    """Make up the second id of a request, which means something to AWS's support alone."""
    return hashlib.sha256(request_id.encode()).hexdigest()


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _timestamp(moment: float, unit: str) -> str:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec=unit)
    return text.removesuffix("+00:00") + "Z"
