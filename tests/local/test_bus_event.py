"""Events on a bus, and what targets get of them, in AWS's shapes."""

import json
from typing import Any

import pytest

from pipeline.local.deployment import EventRule, EventTarget, InputTransformer, Schedule
from pipeline.local.semantics.bus_event import (
    InputError,
    check_input,
    custom_event,
    schedule_input,
    scheduled_event,
    target_input,
)

RULE = EventRule(
    logical_id="Rule",
    name="my-rule",
    arn="arn:aws:events:us-east-1:123456789012:rule/my-rule",
    bus="default",
    pattern=None,
    schedule="rate(1 day)",
    targets=(),
)
MOMENT = 1_772_000_000.25
EVENT = {
    "version": "0",
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "123456789012",
    "time": "2015-11-11T21:29:54Z",
    "region": "us-east-1",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
    "detail": {"instance-id": "i-0123456789", "state": "RUNNING", "tags": [{"k": 1}, {"k": 2}]},
}


def target(**inputs: Any) -> EventTarget:  # noqa: ANN401  a target's fields
    return EventTarget("arn:aws:sqs:us-east-1:123456789012:queue", **inputs)


def transformed(template: str, **paths: str) -> str:
    each = target(transformer=InputTransformer(paths, template))
    check_input(each)
    return target_input(json.dumps(EVENT), RULE, each, MOMENT)


def test_an_entry_of_put_events_gets_an_envelope_and_keeps_its_detail_as_it_was_put() -> None:
    text = custom_event(
        {
            "event_id": "id-1",
            "detail_type": "Sale",
            "source": "shop",
            "account_id": "123456789012",
            "region": "us-east-1",
            "resources": [],
            "detail": ' {"price": 1.50} ',
            "event_time": None,
            "time": MOMENT,
        }
    )

    assert text == (
        '{"version":"0","id":"id-1","detail-type":"Sale","source":"shop",'
        '"account":"123456789012","time":"2026-02-25T06:13:20Z","region":"us-east-1",'
        '"resources":[],"detail":{"price": 1.50}}'
    )


def test_a_scheduled_rule_sends_an_event_of_its_own_kind() -> None:
    assert scheduled_event(RULE.arn, MOMENT, "id-1") == {
        "version": "0",
        "id": "id-1",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-02-25T06:13:20Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/my-rule"],
        "detail": {},
    }


def schedule(constant_input: str | None) -> Schedule:
    return Schedule(
        logical_id="Schedule",
        arn="arn:aws:scheduler:us-east-1:123456789012:schedule/default/nightly",
        expression="rate(1 day)",
        timezone="UTC",
        starts_at=None,
        ends_at=None,
        target=target(constant_input=constant_input),
    )


def test_a_schedule_without_an_input_sends_an_event_whose_detail_is_a_text() -> None:
    event = json.loads(schedule_input(schedule(None), MOMENT, "d32c5kddcf5bb8c3"))

    assert (event["source"], event["detail"]) == ("aws.scheduler", "{}")
    assert event["resources"] == [
        "arn:aws:scheduler:us-east-1:123456789012:schedule/default/nightly"
    ]


def test_a_schedules_input_gets_its_context_attributes() -> None:
    template = (
        '{"at":"<aws.scheduler.scheduled-time>","of":"<aws.scheduler.schedule-arn>",'
        '"try":<aws.scheduler.attempt-number>,"id":"<aws.scheduler.execution-id>"}'
    )

    assert json.loads(schedule_input(schedule(template), MOMENT, "d32c5kddcf5bb8c3")) == {
        "at": "2026-02-25T06:13:20Z",
        "of": "arn:aws:scheduler:us-east-1:123456789012:schedule/default/nightly",
        "try": 1,
        "id": "d32c5kddcf5bb8c3",
    }


def test_without_an_input_the_target_gets_the_event_itself() -> None:
    text = '{"detail": {"price": 1.50}}'

    assert target_input(text, RULE, target(), MOMENT) == text


def test_a_constant_replaces_the_whole_event() -> None:
    assert target_input("{}", RULE, target(constant_input='{"a":1}'), MOMENT) == '{"a":1}'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", EVENT),
        ("$.detail.state", "RUNNING"),
        ("$.detail-type", "EC2 Instance State-change Notification"),
        ("$.resources[0]", "arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"),
        ("$.detail.tags[*].k", [1, 2]),
        ("$.detail.tags[1]", {"k": 2}),
        ("$.detail.none", {}),
    ],
)
def test_a_path_selects_a_part(path: str, expected: object) -> None:
    found = target_input(json.dumps(EVENT), RULE, target(input_path=path), MOMENT)

    assert json.loads(found) == expected


# The templates are those of the EventBridge User Guide, "Input transformation".
PATHS = {"instance": "$.detail.instance-id", "state": "$.detail.state", "detail": "$.detail"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('"instance <instance> is in <state>"', '"instance i-0123456789 is in RUNNING"'),
        (
            '{"instance" : <instance>, "state": <state>}',
            '{"instance" : "i-0123456789", "state": "RUNNING"}',
        ),
        (
            '{"instance": <instance>, "text": "instance \\"<instance>\\" is in <state>"}',
            '{"instance": "i-0123456789", "text": "instance \\"i-0123456789\\" is in RUNNING"}',
        ),
        ('{"tags": <tags>}', '{"tags": [{"k":1},{"k":2}]}'),
        ('"tags: <tags>"', '"tags: [{k:1},{k:2}]"'),
        ('{"gone": <gone>, "text": "<gone>"}', '{"gone": "", "text": ""}'),
        ('"<aws.events.rule-name>"', '"my-rule"'),
        ('["<aws.events.event.ingestion-time>"]', '["2026-02-25T06:13:20Z"]'),
        ('"a <state>"\n"b <instance>"', '"a RUNNING"\n"b i-0123456789"'),
    ],
)
def test_a_template_is_filled_from_the_event(template: str, expected: str) -> None:
    paths = {**PATHS, "tags": "$.detail.tags", "gone": "$.detail.gone"}

    assert transformed(template, **paths) == expected


def test_a_template_can_hold_the_event_without_and_with_its_detail() -> None:
    text = transformed('{"short": <aws.events.event>, "long": <aws.events.event.json>}')

    filled = json.loads(text)
    assert filled["long"] == EVENT
    assert "detail" not in filled["short"]
    assert filled["short"]["source"] == "aws.ec2"


@pytest.mark.parametrize(
    ("each", "message"),
    [
        (target(constant_input="no json"), "Invalid JSON in Input"),
        (target(input_path="detail"), "Invalid JSON path: detail"),
        (target(input_path="$.detail[x]"), "Invalid JSON path"),
        (target(transformer=InputTransformer({}, '{"a": <b>}')), "b is not in InputPathsMap"),
        (target(transformer=InputTransformer({}, "no json")), "Invalid InputTemplate, it makes no"),
        (target(transformer=InputTransformer({"AWS.x": "$"}, '"<AWS.x>"')), "a reserved name"),
        (target(transformer=InputTransformer({"a": "b"}, '"<a>"')), "Invalid JSON path: b"),
    ],
)
def test_an_input_that_event_bridge_refuses_is_refused(each: EventTarget, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_input(each)
