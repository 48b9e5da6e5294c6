"""The event of a message for a subscribed function, in AWS's shape."""

from pipeline.local.semantics.sns_event import function_event

TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
FACT = {
    "kind": "message",
    "function_arn": "arn:aws:lambda:us-east-1:123456789012:function:code",
    "subscription_arn": f"{TOPIC}:21be56ed-a058-49f5-8c98-aedd2564c486",
    "topic_arn": TOPIC,
    "message_id": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
    "message": "Hello from SNS!",
    "subject": None,
    "attributes": {"Test": {"Type": "String", "Value": "TestString"}},
    "region": "us-east-1",
    "time": 1_772_000_000.25,
}


def test_a_message_is_one_record_with_every_field_of_sns() -> None:
    (record,) = function_event(FACT)["Records"]

    sns = record.pop("Sns")
    assert record == {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": f"{TOPIC}:21be56ed-a058-49f5-8c98-aedd2564c486",
    }
    assert sns.pop("UnsubscribeUrl").endswith(f"SubscriptionArn={FACT['subscription_arn']}")
    assert sns.pop("SigningCertUrl").startswith("https://sns.us-east-1.amazonaws.com/")
    assert sns.pop("Signature")
    assert sns == {
        "Type": "Notification",
        "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "TopicArn": TOPIC,
        "Subject": None,
        "Message": "Hello from SNS!",
        "Timestamp": "2026-02-25T06:13:20.250Z",
        "SignatureVersion": "1",
        "MessageAttributes": {"Test": {"Type": "String", "Value": "TestString"}},
    }
