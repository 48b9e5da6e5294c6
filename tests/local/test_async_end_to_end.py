"""Functions that are invoked asynchronously, with an endpoint, workers and sources of their own."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.local.endpoint import Endpoint
from pipeline.local.lambda_service import LambdaSettings
from pipeline.local.run import LocalRun, RunEvent
from pipeline.local.sources.bus_journal import request_fire

TEMPLATE = Path(__file__).with_name("templates") / "events.yaml"
SETTINGS = LambdaSettings(poll_interval_s=0.02, async_wait_scale=0.001, stop_grace_s=0)


class Application:
    """The template while it runs."""

    def __init__(self, run: LocalRun, problems: list[RunEvent]) -> None:
        self.run = run
        self.problems = problems

    def client(self, service: str) -> Any:  # noqa: ANN401  boto3 client
        return self.run.endpoint.client(service)

    def name(self, logical_id: str) -> str:
        return self.run.deployment.physical_ids[logical_id]

    def put(self, source: str, detail: dict[str, Any], **entry: str) -> str:
        entries = [{"Source": source, "DetailType": "Test", "Detail": json.dumps(detail), **entry}]
        event_id: str = self.client("events").put_events(Entries=entries)["Entries"][0]["EventId"]
        return event_id

    def settle(self) -> None:
        self.run.wait_until_drained(30)

    def notes(self) -> list[dict[str, Any]]:
        """Take the events that Notes got."""
        self.settle()
        s3, bucket = self.client("s3"), self.name("NotesBucket")
        found = []
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            if not entry["Key"].startswith("aws/"):
                found.append(json.load(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"]))
                s3.delete_object(Bucket=bucket, Key=entry["Key"])
        return [note["event"] for note in found]

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Take the messages of a queue."""
        self.settle()
        sqs, url = self.client("sqs"), self.name(queue)
        found = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return list(found)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    problems: list[RunEvent] = []

    def note(event: RunEvent) -> None:
        if event.kind == "problem":
            problems.append(event)

    with LocalRun(
        TEMPLATE,
        directory=tmp_path_factory.mktemp("events"),
        stack_name="events",
        endpoint=Endpoint(),
        on_event=note,
        settings=SETTINGS,
    ) as run:
        yield Application(run, problems)


def test_the_template_is_done_whole_but_for_policies_of_aws(application: Application) -> None:
    assert application.run.deployment.unhandled == {}
    assert application.run.deployment.ignored_properties == {
        "EchoRole": ("ManagedPolicyArns.AWSLambdaBasicExecutionRole",),
        "FailingRole": ("ManagedPolicyArns.AWSLambdaBasicExecutionRole",),
    }


def test_a_put_invokes_a_function_with_the_key_form_encoded(application: Application) -> None:
    s3, bucket = application.client("s3"), application.name("Uploads")
    for key in ("in/a b+c@ü.txt", "in/other.png", "out/a.txt"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"hello")

    (event,) = application.notes()

    (record,) = event["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["bucket"]["name"] == bucket
    assert record["s3"]["object"]["key"] == "in/a+b%2Bc%40%C3%BC.txt"
    assert record["s3"]["object"]["size"] == 5


def test_a_removal_invokes_a_function(application: Application) -> None:
    s3, bucket = application.client("s3"), application.name("Uploads")
    s3.put_object(Bucket=bucket, Key="x", Body=b"hello")
    s3.delete_object(Bucket=bucket, Key="x")

    (event,) = application.notes()

    assert event["Records"][0]["eventName"] == "ObjectRemoved:Delete"
    assert sorted(event["Records"][0]["s3"]["object"]) == ["key", "sequencer"]


def test_a_queue_gets_a_test_event_and_then_notifications(application: Application) -> None:
    s3, bucket = application.client("s3"), application.name("Uploads")
    s3.put_object(Bucket=bucket, Key="x", Body=b"hello")
    s3.copy_object(Bucket=bucket, Key="copies/x", CopySource=f"{bucket}/x")

    bodies = [json.loads(message["Body"]) for message in application.messages("Copies")]

    assert [body.get("Event") for body in bodies] == ["s3:TestEvent", None]
    assert bodies[1]["Records"][0]["s3"]["object"]["key"] == "copies/x"


def test_a_put_comes_by_event_bridge_with_the_key_as_it_is(application: Application) -> None:
    s3, bucket = application.client("s3"), application.name("Watched")
    version = s3.put_object(Bucket=bucket, Key="big one.txt", Body=b"hello")["VersionId"]
    s3.put_object(Bucket=bucket, Key="small one.txt", Body=b"hello")

    (event,) = application.notes()

    assert event["detail-type"] == "Object Created"
    assert event["detail"]["object"]["key"] == "big one.txt"
    assert event["detail"]["object"]["version-id"] == version
    assert event["detail"]["reason"] == "PutObject"


def test_a_put_to_a_bucket_that_is_not_the_templates_comes_by_event_bridge_too(
    application: Application,
) -> None:
    s3 = application.client("s3")
    s3.create_bucket(Bucket="pictures")
    s3.put_object(Bucket="pictures", Key="untold", Body=b"hello")
    s3.put_bucket_notification_configuration(
        Bucket="pictures", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_object(Bucket="pictures", Key="told", Body=b"hello")

    (event,) = application.notes()

    assert event["detail"]["bucket"] == {"name": "pictures"}
    assert "version-id" not in event["detail"]["object"]
    assert event["detail"]["object"]["key"] == "told"


def test_an_event_on_the_default_bus_reaches_the_rules_that_match(application: Application) -> None:
    event_id = application.put("shop", {"price": 12})
    application.put("shop", {"price": 9})
    application.put("shop", {"price": 12}, EventBusName=application.name("Bus"))

    events = application.notes()

    assert {"price": 12} in events  # the other bus's rule has an InputPath
    (whole,) = (event for event in events if "id" in event)
    assert len(events) == 2
    assert (whole["id"], whole["detail"]) == (event_id, {"price": 12})
    assert whole["source"] == "shop"


def test_a_rule_transforms_for_its_target_and_buries_what_the_other_refuses(
    application: Application,
) -> None:
    application.messages("Copies")
    application.put("tell", {"who": "me", "n": 1.50})

    (told,) = application.messages("Copies")
    (buried,) = application.messages("DeadLetters")

    assert json.loads(told["Body"]) == {"told": "by me", "detail": {"who": "me", "n": 1.5}}
    assert json.loads(buried["Body"])["source"] == "tell"
    assert buried["MessageAttributes"]["ERROR_CODE"]["StringValue"].endswith("NonExistentQueue")
    assert "RULE_ARN" in buried["MessageAttributes"]


def test_a_function_that_fails_twice_is_told_to_its_destination_and_dead_letter_queue(
    application: Application,
) -> None:
    application.put("broken", {"a": 1})

    (failure,) = application.messages("Failures")
    (letter,) = application.messages("DeadLetters")

    record = json.loads(failure["Body"])
    request_id = record["requestContext"]["requestId"]
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:events-Failing:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 2,
    }
    assert record["requestPayload"]["detail"] == {"a": 1}
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "ValueError"
    # The second attempt had the first one's request id.
    assert record["responsePayload"]["errorMessage"] == f"cannot do it, {request_id}"
    assert record["responsePayload"]["stackTrace"] != []
    assert json.loads(letter["Body"]) == record["requestPayload"]
    assert letter["MessageAttributes"]["RequestID"]["StringValue"] == request_id
    assert letter["MessageAttributes"]["ErrorCode"] == {"StringValue": "200", "DataType": "Number"}
    assert application.problems[-1].subject == "Failing"


def test_a_success_is_told_to_its_destination(application: Application) -> None:
    application.put("said", {"word": "hello"})

    (success,) = application.messages("Successes")

    record = json.loads(success["Body"])
    assert record["requestContext"]["condition"] == "Success"
    assert record["responsePayload"] == {"echo": {"word": "hello"}}
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}


def test_a_message_on_a_topic_invokes_a_function_that_wants_it(application: Application) -> None:
    sns, topic = application.client("sns"), application.name("Topic")
    for severity in ("low", "high"):
        sns.publish(
            TopicArn=topic,
            Message=f"it is {severity}",
            Subject="News",
            MessageAttributes={"severity": {"DataType": "String", "StringValue": severity}},
        )

    (event,) = application.notes()

    (record,) = event["Records"]
    assert record["EventSource"] == "aws:sns"
    assert record["EventSubscriptionArn"].startswith(f"{topic}:")
    assert (record["Sns"]["Message"], record["Sns"]["Subject"]) == ("it is high", "News")
    assert record["Sns"]["MessageAttributes"] == {"severity": {"Type": "String", "Value": "high"}}


def test_schedules_fire_by_hand_and_not_by_themselves(application: Application) -> None:
    moment = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
    application.run.fire("NotesHourly", moment)
    application.run.fire("NotesNightly", moment)

    events = application.notes()

    assert {"day": "2026-03-01T02:00:00Z"} in events
    (scheduled,) = (event for event in events if "detail-type" in event)
    assert scheduled["detail-type"] == "Scheduled Event"
    assert scheduled["time"] == "2026-03-01T02:00:00Z"
    assert len(events) == 2


def test_another_process_can_fire_a_schedule(application: Application) -> None:
    request_fire(application.run.endpoint.url, "NotesHourly", 1_772_000_000)
    request_fire(application.run.endpoint.url, "Nobody", 1_772_000_000)

    (event,) = application.notes()

    assert event["time"] == "2026-02-25T06:13:20Z"
    assert application.problems[-1].subject == "Nobody"


def test_what_has_no_schedule_cannot_be_fired(application: Application) -> None:
    with pytest.raises(LookupError, match="there are: NotesHourly, NotesNightly"):
        application.run.fire("NotesSales")
