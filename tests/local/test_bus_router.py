"""What is routed where, and what becomes of what nobody takes."""

import json
from typing import Any

import pytest

from pipeline.local.deployment import (
    BucketNotification,
    EventRoutes,
    EventRule,
    EventTarget,
    Schedule,
)
from pipeline.local.sources.bus_router import EventRouter
from pipeline.local.sources.bus_targets import EventTargets

NOW = 1_772_000_000.0
QUEUE = "arn:aws:sqs:us-east-1:123456789012:jobs"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
GONE = "arn:aws:lambda:us-east-1:123456789012:function:gone"
EVENT_FACT: dict[str, Any] = {
    "kind": "event",
    "event_id": "id-1",
    "bus": "default",
    "source": "shop",
    "detail_type": "Sale",
    "detail": '{"price": 300.0}',
    "resources": [],
    "event_time": None,
    "region": "us-east-1",
    "account_id": "123456789012",
    "time": NOW,
}
OBJECT_FACT: dict[str, Any] = {
    "kind": "object",
    "name": "ObjectCreated:Put",
    "bucket": "pictures",
    "key": "a.png",
    "sequencer": "01",
    "time": NOW,
    "region": "us-east-1",
    "account_id": "123456789012",
    "caller": "test",
    "source_ip": "127.0.0.1",
    "request_id": "C3D13FE58DE4C810",
    "size_bytes": 1,
    "etag": "e",
    "version_id": None,
    "tells_event_bridge": False,
}


class Sqs:
    """The queue service, which takes everything."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def get_queue_url(self, **call: Any) -> dict[str, str]:  # noqa: ANN401  boto3's arguments
        return {"QueueUrl": call["QueueName"]}

    def send_message(self, **call: Any) -> None:  # noqa: ANN401  boto3's arguments
        self.sent.append(call)

    @property
    def queues(self) -> list[str]:
        return [call["QueueUrl"] for call in self.sent]


class Case:
    """A router over fakes."""

    def __init__(self, routes: EventRoutes) -> None:
        self.sqs = Sqs()
        self.problems: list[tuple[str, str]] = []
        targets = EventTargets({}, {}, lambda _service: self.sqs)
        self.router = EventRouter(
            routes, targets, lambda *problem: self.problems.append(problem), lambda: NOW
        )


def rule(
    pattern: str | None, *targets: EventTarget, bus: str = "default", schedule: str | None = None
) -> EventRule:
    arn = "arn:aws:events:us-east-1:123456789012:rule/rule"
    return EventRule("Rule", "rule", arn, bus, pattern, schedule, targets or (EventTarget(QUEUE),))


def to(arn: str, prefix: str = "") -> BucketNotification:
    return BucketNotification(
        "Bucket", "pictures", "config-1", ("s3:ObjectCreated:*",), prefix, "", arn
    )


@pytest.mark.parametrize(
    ("pattern", "bus", "sent"),
    [
        ('{"source": ["shop"]}', "default", ["jobs"]),
        ('{"source": ["bank"]}', "default", []),
        ('{"source": ["shop"]}', "orders", []),
        ('{"detail": {"price": [300]}}', "default", []),  # 300.0 is another number
        ('{"detail": {"price": [{"numeric": ["=", 300]}]}}', "default", ["jobs"]),
    ],
)
def test_an_event_goes_to_the_rules_of_its_bus_that_match(
    pattern: str, bus: str, sent: list[str]
) -> None:
    case = Case(EventRoutes(rules=[rule(pattern, bus=bus)]))

    case.router.take(EVENT_FACT)

    assert case.sqs.queues == sent


def test_the_target_gets_the_detail_as_it_was_put() -> None:
    case = Case(EventRoutes(rules=[rule('{"source": ["shop"]}')]))

    case.router.take(EVENT_FACT)

    assert case.sqs.sent[0]["MessageBody"].endswith('"detail":{"price": 300.0}}')


def test_what_a_target_does_not_take_goes_to_its_dead_letter_queue() -> None:
    target = EventTarget(GONE, dead_letter_arn=DEAD)
    case = Case(EventRoutes(rules=[rule('{"source": ["shop"]}', target)]))

    case.router.take(EVENT_FACT)

    (letter,) = case.sqs.sent
    reasons = {name: each["StringValue"] for name, each in letter["MessageAttributes"].items()}
    assert letter["QueueUrl"] == "dead"
    assert json.loads(letter["MessageBody"])["id"] == "id-1"
    assert reasons == {
        "ERROR_CODE": "LookupError",
        "ERROR_MESSAGE": f"the stack has no function {GONE}",
        "RULE_ARN": "arn:aws:events:us-east-1:123456789012:rule/rule",
        "TARGET_ARN": GONE,
    }
    assert case.problems[0][0] == "Rule"


def test_what_is_lost_is_reported_and_the_other_targets_get_theirs() -> None:
    targets = (EventTarget(GONE), EventTarget(QUEUE))
    case = Case(EventRoutes(rules=[rule('{"source": ["shop"]}', *targets)]))

    case.router.take(EVENT_FACT)

    assert case.sqs.queues == ["jobs"]
    ((subject, problem),) = case.problems
    assert subject == "Rule"
    assert problem.endswith("; it is lost")


def test_an_object_is_told_to_its_buckets_targets() -> None:
    case = Case(EventRoutes(notifications=[to(QUEUE), to(QUEUE, prefix="b"), to(GONE)]))

    case.router.take(OBJECT_FACT)
    case.router.take({**OBJECT_FACT, "bucket": "other"})

    assert case.sqs.queues == ["jobs"]
    assert case.problems[0][1].startswith(f"ObjectCreated:Put of a.png is lost, {GONE} said")


def test_the_default_bus_hears_of_objects_only_from_buckets_that_tell_it() -> None:
    case = Case(EventRoutes(rules=[rule('{"source": ["aws.s3"]}')]))

    case.router.take({**OBJECT_FACT, "tells_event_bridge": True})
    case.router.take({**OBJECT_FACT, "bucket": "other"})

    (sent,) = case.sqs.sent
    assert json.loads(sent["MessageBody"])["detail"]["bucket"] == {"name": "pictures"}


def test_a_fifo_queue_gets_its_group() -> None:
    arn = f"{QUEUE}.fifo"
    case = Case(EventRoutes(rules=[rule('{"source": ["shop"]}', EventTarget(arn, group_id="g"))]))

    case.router.take(EVENT_FACT)

    assert case.sqs.sent[0]["MessageGroupId"] == "g"


def test_a_schedule_is_fired_for_a_time_that_is_given() -> None:
    target = EventTarget(QUEUE, constant_input='"<aws.scheduler.scheduled-time>"')
    schedule = Schedule("Nightly", "arn", "rate(1 day)", "UTC", None, None, target)
    case = Case(EventRoutes(rules=[rule(None, schedule="rate(1 day)")], schedules=[schedule]))

    case.router.fire("Nightly", NOW)
    case.router.fire("Rule", NOW)
    case.router.take({"kind": "fire", "logical_id": "Nobody", "time": NOW})

    bodies = [json.loads(sent["MessageBody"]) for sent in case.sqs.sent]
    assert bodies[0] == "2026-02-25T06:13:20Z"
    assert bodies[1]["time"] == "2026-02-25T06:13:20Z"
    assert "there are: Nightly, Rule" in case.problems[0][1]
