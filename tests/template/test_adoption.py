"""A stream that exists already takes the place of EventStream everywhere."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.local.intrinsics import Resolver
from pipeline.local.translate import translate
from tests.template import model

ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/product-events"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/7d0c"


@pytest.fixture(scope="module")
def resolver() -> Resolver:
    given = {"ExistingStreamArn": ARN, "ExistingStreamKeyArn": KEY}
    adopted = translate(model.PATH, given, region="eu-central-1")
    return Resolver(adopted.template, adopted.parameters, {"AWS::Partition": "aws"})


def mentions(value: Any) -> Iterator[str]:  # noqa: ANN401  a part of a template
    """Yield each mention of the stream's resource outside of the case that it is made."""
    match value:
        case {"Fn::If": ["MakesStream", _, otherwise]}:
            yield from mentions(otherwise)
        case {"Ref": "EventStream"} | {"Fn::GetAtt": ["EventStream", _]}:
            yield str(value)
        case {"Fn::Sub": str(text)} if re.search(r"\$\{EventStream[.}]", text):
            yield text
        case dict():
            for part in value.values():
                yield from mentions(part)
        case list():
            for part in value:
                yield from mentions(part)


def test_nothing_refers_to_the_stream_that_is_not_made() -> None:
    expansion = model.expansion()

    found = [*mentions(expansion["Resources"]), *mentions(expansion["Outputs"])]

    assert found == []
    assert expansion["Resources"]["EventStream"]["Condition"] == "MakesStream"


def test_consumer_mapping_and_alarm_have_the_adopted_stream(resolver: Resolver) -> None:
    mapping = model.resources("AWS::Lambda::EventSourceMapping")["KinesisEventsFunctionRecords"]
    alarm = model.resources("AWS::CloudWatch::Alarm")["EventStreamIsFullAlarm"]
    settings = model.settings_of(model.functions()["KinesisEventsFunction"])

    assert not resolver.holds("MakesStream", "a test")
    assert resolver.resolve(mapping["EventSourceArn"], "a test") == ARN
    assert resolver.resolve(settings["EVENT_STREAM"], "a test") == "product-events"
    assert resolver.resolve(alarm["Dimensions"], "a test") == [
        {"Name": "StreamName", "Value": "product-events"}
    ]


@pytest.mark.parametrize("role", ["KinesisEventsRole", "ScheduleAlertsRole"])
def test_its_readers_may_read_it_and_use_its_key(role: str, resolver: Resolver) -> None:
    allowed = {
        resolver.resolve(statement["Resource"], "a test"): statement["Action"]
        for statement in model.statements(role)
        if "Fn::If" in statement.get("Resource", {})
    }

    assert "kinesis:GetRecords" in allowed[ARN]
    assert allowed[KEY] == "kms:Decrypt"
