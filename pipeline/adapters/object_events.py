"""What S3 reports of new objects, in the shape of EventBridge and in S3's own.

The two differ: EventBridge gives the key as it is, S3's own notification form-encoded.
Source: Amazon S3 User Guide, event message structure, and the EventBridge event message structure.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from pipeline.errors import InvalidRecordError
from pipeline.images import Upload

_TEST_EVENT: Final = "s3:TestEvent"
"""What S3 sends when a notification is configured; it names no object."""


def uploads_in(event: Mapping[str, Any]) -> list[Upload]:
    """Return the new objects that an event reports, none for S3's test event.

    Raises:
        InvalidRecordError: The event is of neither shape, or reports anything but new objects.
    """
    if event.get("Event") == _TEST_EVENT:
        return []
    try:
        if "Records" in event:
            return [_native(record) for record in event["Records"]]
        return [_from_event_bridge(event)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidRecordError(f"not an event of S3: {error!r}") from error


def _from_event_bridge(event: Mapping[str, Any]) -> Upload:
    if event["detail-type"] != "Object Created":
        raise InvalidRecordError(f"{event['detail-type']!r} is not 'Object Created'")
    found = event["detail"]["object"]
    return _upload(
        bucket=event["detail"]["bucket"]["name"],
        key=found["key"],
        version_id=found.get("version-id", ""),
        sequencer=found["sequencer"],
        size_bytes=found["size"],
        time=event["time"],
    )


def _native(record: Mapping[str, Any]) -> Upload:
    if not record["eventName"].startswith("ObjectCreated:"):
        raise InvalidRecordError(f"{record['eventName']!r} is not ObjectCreated")
    found = record["s3"]["object"]
    return _upload(
        bucket=record["s3"]["bucket"]["name"],
        key=unquote_plus(found["key"], errors="strict"),
        version_id=found.get("versionId", ""),
        sequencer=found["sequencer"],
        size_bytes=found["size"],
        time=record["eventTime"],
    )


def _upload(**fields: Any) -> Upload:  # noqa: ANN401  whatever the event has; convert checks it
    size_bytes, time = fields.pop("size_bytes"), fields.pop("time")
    fields["key"].encode()  # half of a surrogate pair names no object
    values = {"image": fields, "size_bytes": size_bytes, "uploaded_at": time}
    return msgspec.convert(values, Upload)
