"""The NotificationConfiguration of AWS::S3::Bucket.

On its own endpoint the local run tells functions, queues and topics itself, as S3 does. On another
one the endpoint tells queues and topics in its own way, and functions cannot be told.
Source: Amazon S3 API Reference, PutBucketNotificationConfiguration.
"""

import itertools
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

from pipeline.local.deployment import BucketNotification
from pipeline.local.intrinsics import TemplateError
from pipeline.local.resources.handler import Properties, Stack
from pipeline.local.semantics.s3_event import EVENT_NAMES, target_notice

_KINDS: Final = {
    "LambdaConfigurations": ("Function", "LambdaFunctionConfigurations", "LambdaFunctionArn"),
    "QueueConfigurations": ("Queue", "QueueConfigurations", "QueueArn"),
    "TopicConfigurations": ("Topic", "TopicConfigurations", "TopicArn"),
}
"""What CloudFormation calls the target, and what the API calls the list and the target."""

_KNOWN_EVENTS: Final = frozenset(
    {"s3:ObjectCreated:*", "s3:ObjectRemoved:*", *(f"s3:{name}" for name in EVENT_NAMES)}
)
_OTHER_GROUPS: Final = (
    "s3:IntelligentTiering",
    "s3:LifecycleExpiration:",
    "s3:LifecycleTransition",
    "s3:ObjectAcl:",
    "s3:ObjectRestore:",
    "s3:ObjectTagging:",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:",
)
"""Events of S3 that nothing brings about on a laptop."""


def configure_notifications(
    stack: Stack, logical_id: str, bucket: str, notifications: Properties, *, is_new: bool
) -> None:
    """Set whom a bucket tells of its objects.

    Args:
        stack: The deployment; gets the notifications.
        logical_id: The bucket's.
        bucket: Its name.
        notifications: The section of the bucket's properties.
        is_new: Whether the bucket has just been created, so that its targets get their notice.

    Raises:
        TemplateError: A configuration that S3 refuses.
    """
    found = {
        kind: [
            one
            for number, entry in enumerate(notifications.take(kind) or [])
            if (one := _notification(notifications, logical_id, bucket, kind, number, entry))
        ]
        for kind in _KINDS
    }
    every = [one for configurations in found.values() for one in configurations]
    _refuse_overlaps(notifications.place, every)
    configuration: dict[str, Any] = {}
    bridge = notifications.take("EventBridgeConfiguration")
    if bridge is not None and str(bridge.get("EventBridgeEnabled", True)).lower() == "true":
        configuration["EventBridgeConfiguration"] = {}
    if stack.endpoint.is_embedded:
        stack.routes.notifications.extend(every)
        if is_new:
            _give_notice(stack, bucket, every)
    else:
        for kind in ("QueueConfigurations", "TopicConfigurations"):
            if found[kind]:
                configuration[kind] = [_for_the_api(kind, one) for one in found[kind]]
        if found["LambdaConfigurations"]:
            notifications.report("LambdaConfigurations")
    if configuration:
        stack.client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configuration
        )


def _notification(
    notifications: Properties,
    logical_id: str,
    bucket: str,
    kind: str,
    number: int,
    entry: Mapping[str, Any],
) -> BucketNotification | None:
    event = str(entry.get("Event"))
    if event not in _KNOWN_EVENTS:
        if not event.startswith(_OTHER_GROUPS):
            raise TemplateError(
                f"{notifications.place}.{kind}[{number}].Event: The event {event!r} is not "
                "supported for notifications"
            )
        notifications.report(f"{kind}.{event}")
        return None
    filters = {"prefix": "", "suffix": ""}
    for rule in ((entry.get("Filter") or {}).get("S3Key") or {}).get("Rules") or []:
        name = str(rule["Name"]).lower()
        if name not in filters or filters[name]:
            raise TemplateError(
                f"{notifications.place}.{kind}[{number}].Filter: filter rule name must be either "
                "prefix or suffix, each at most once"
            )
        filters[name] = str(rule["Value"])
    identity = f"{bucket}/{kind}/{number}"
    return BucketNotification(
        logical_id=logical_id,
        bucket=bucket,
        configuration_id=str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
        events=(event,),
        prefix=filters["prefix"],
        suffix=filters["suffix"],
        target_arn=str(entry[_KINDS[kind][0]]),
    )


def _refuse_overlaps(place: str, every: list[BucketNotification]) -> None:
    for one, other in itertools.combinations(every, 2):
        if (
            _do_overlap(one.events[0].removesuffix("*"), other.events[0].removesuffix("*"))
            and _do_overlap(one.prefix, other.prefix)
            and _do_overlap(one.suffix[::-1], other.suffix[::-1])
        ):
            raise TemplateError(
                f"{place}: Configuration is ambiguously defined. Cannot have overlapping suffixes "
                "in two rules if the prefixes are overlapping for the same event type."
            )


def _do_overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _give_notice(stack: Stack, bucket: str, every: list[BucketNotification]) -> None:
    """Send the test event that S3 sends to each queue and topic, but to no function."""
    now = time.time()  # noqa: TID251  a time for people to read, which nothing depends on
    for arn in sorted({one.target_arn for one in every}):
        text = json.dumps(target_notice(bucket, now, uuid.uuid4().hex[:16].upper()))
        match arn.split(":")[2]:
            case "sqs":
                sqs = stack.client("sqs")
                url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
                sqs.send_message(QueueUrl=url, MessageBody=text)
            case "sns":
                stack.client("sns").publish(TopicArn=arn, Message=text)


def _for_the_api(kind: str, one: BucketNotification) -> dict[str, Any]:
    rules = [
        {"Name": name, "Value": value}
        for name, value in (("prefix", one.prefix), ("suffix", one.suffix))
        if value
    ]
    return {
        "Id": one.configuration_id,
        _KINDS[kind][2]: one.target_arn,
        "Events": list(one.events),
        **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {}),
    }
