"""A stream and a bucket that exist already take the places of those that the stack would make."""

import json
from typing import Any

import pytest

from pipeline.local.intrinsics import Resolver
from pipeline.local.semantics.event_pattern import compile_pattern, parse_json
from pipeline.local.translate import Translation, translate
from tests.template import model

ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/product-events"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/7d0c"
BUCKET = "product-pictures"
BUCKET_KEY = "arn:aws:kms:eu-central-1:123456789012:key/51ab"
STREAM_IS_GIVEN = {"ExistingStreamArn": ARN, "ExistingStreamKeyArn": KEY}
BUCKET_IS_GIVEN = {
    "ExistingContentBucketName": BUCKET,
    "ExistingContentBucketKeyArn": BUCKET_KEY,
}


def translated(given: dict[str, str]) -> Translation:
    return translate(model.PATH, given, region="eu-central-1")


def resolver_of(translation: Translation) -> Resolver:
    pseudo = {"AWS::Partition": "aws", "AWS::AccountId": "123456789012"}
    return Resolver(translation.template, translation.parameters, pseudo)


@pytest.fixture(scope="module")
def resolver() -> Resolver:
    return resolver_of(translated(STREAM_IS_GIVEN | BUCKET_IS_GIVEN))


def of_parameters(role: str, resolver: Resolver) -> set[tuple[str, str]]:
    """Return what a role is allowed at places that parameters have a say in."""
    return {
        (action, resolver.resolve(resource, "a test"))
        for statement in model.statements(role)
        for action in model.listed(statement["Action"])
        for resource in model.listed(statement.get("Resource", []))
        if "Fn::If" in str(resource)
    }


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (STREAM_IS_GIVEN, {"EventStream"}),
        (BUCKET_IS_GIVEN, {"ContentBucket", "ContentBucketPolicy"}),
    ],
    ids=["stream", "bucket"],
)
def test_what_is_adopted_is_not_made_and_nothing_refers_to_it(
    given: dict[str, str], made: set[str]
) -> None:
    translation = translated(given)
    resolver = resolver_of(translation)
    by_itself = resolver_of(translated({}))
    resources: dict[str, Any] = translation.template["Resources"]
    conditions = {name: one["Condition"] for name, one in resources.items() if "Condition" in one}

    missing = {
        name
        for name, condition in conditions.items()
        if by_itself.holds(condition, name) and not resolver.holds(condition, name)
    }
    kept = [one for name, one in resources.items() if name not in missing]
    referred = set(resolver.references([*kept, translation.template["Outputs"]], "a test"))

    assert missing == made
    assert referred & missing == set()


def test_what_the_linters_see_is_the_same_whatever_is_adopted() -> None:
    adopted = translated(STREAM_IS_GIVEN | BUCKET_IS_GIVEN)

    assert adopted.template == model.expansion()


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
    allowed = of_parameters(role, resolver)

    assert ("kinesis:GetRecords", ARN) in allowed
    assert {action for action, place in allowed if place == KEY} == {"kms:Decrypt"}


def test_consumers_and_output_have_the_adopted_bucket(resolver: Resolver) -> None:
    functions = ("DynamodbUsersFunction", "S3UploadsFunction", "SqsThumbnailsFunction")
    named = [model.settings_of(model.functions()[name])["CONTENT_BUCKET"] for name in functions]
    named.append(model.expansion()["Outputs"]["ContentBucketName"]["Value"])

    assert resolver.resolve(named, "a test") == [BUCKET] * 4


def test_the_rule_hears_of_uploads_to_the_adopted_bucket_and_of_no_thumbnails(
    resolver: Resolver,
) -> None:
    rule = model.resources("AWS::Events::Rule")["S3UploadsFunctionUploads"]
    matches = compile_pattern(json.dumps(resolver.resolve(rule["EventPattern"], "a test")))

    def is_heard(bucket: str, key: str) -> bool:
        detail = {"bucket": {"name": bucket}, "object": {"key": key}}
        event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
        return matches(parse_json(json.dumps(event)))

    assert is_heard(BUCKET, "uploads/ada/a.jpg")
    assert not is_heard(BUCKET, "thumbnails/ada/a.jpg/1/128.jpg")
    assert not is_heard("another", "uploads/ada/a.jpg")


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (
            "DynamodbUsersRole",
            {
                ("s3:ListBucketVersions", "arn:aws:s3:::product-pictures"),
                ("s3:DeleteObjectVersion", "arn:aws:s3:::product-pictures/uploads/*"),
                ("s3:DeleteObjectVersion", "arn:aws:s3:::product-pictures/thumbnails/*"),
            },
        ),
        (
            "S3UploadsRole",
            {
                ("s3:GetObject", "arn:aws:s3:::product-pictures/uploads/*"),
                ("s3:GetObjectVersion", "arn:aws:s3:::product-pictures/uploads/*"),
                ("s3:ListBucket", "arn:aws:s3:::product-pictures"),
                ("kms:Decrypt", BUCKET_KEY),
            },
        ),
        (
            "SqsThumbnailsRole",
            {
                ("s3:GetObject", "arn:aws:s3:::product-pictures/uploads/*"),
                ("s3:GetObjectVersion", "arn:aws:s3:::product-pictures/uploads/*"),
                ("s3:ListBucket", "arn:aws:s3:::product-pictures"),
                ("s3:ListBucketVersions", "arn:aws:s3:::product-pictures"),
                ("s3:PutObject", "arn:aws:s3:::product-pictures/thumbnails/*"),
                ("s3:DeleteObjectVersion", "arn:aws:s3:::product-pictures/thumbnails/*"),
                ("kms:Decrypt", BUCKET_KEY),
                ("kms:GenerateDataKey", BUCKET_KEY),
            },
        ),
    ],
)
def test_a_role_may_do_in_the_adopted_bucket_what_it_does_in_its_own(
    role: str, allowed: set[tuple[str, str]], resolver: Resolver
) -> None:
    assert of_parameters(role, resolver) == allowed


@pytest.mark.parametrize("given", [{}, {"ExistingContentBucketKeyArn": BUCKET_KEY}])
def test_without_an_adopted_bucket_no_other_key_is_used(given: dict[str, str]) -> None:
    resolver = resolver_of(translated(given))

    assert not resolver.holds("HasContentBucketKey", "a test")


def test_the_adopted_bucket_may_have_its_access_logs_beside_the_others(
    resolver: Resolver,
) -> None:
    (statement,) = (
        one
        for one in model.statements("AccessLogsBucketPolicy")
        if one["Sid"] == "S3DeliversAccessLogs"
    )

    sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]

    assert resolver.resolve(sources[-1], "a test") == "arn:aws:s3:::product-pictures"
