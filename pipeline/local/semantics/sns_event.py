"""The event that SNS invokes a subscribed function with.

Source: AWS Lambda Developer Guide, "Invoking Lambda functions with Amazon SNS notifications".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def function_event(fact: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of one message for one subscription, from the journal's fact.

    The signature is none: there is no key of AWS to sign with.
    """
    moment = datetime.fromtimestamp(fact["time"], UTC).isoformat(timespec="milliseconds")
    host = f"https://sns.{fact['region']}.amazonaws.com"
    unsubscribe = f"{host}/?Action=Unsubscribe&SubscriptionArn={fact['subscription_arn']}"
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": fact["subscription_arn"],
        "Sns": {
            "Type": "Notification",
            "MessageId": fact["message_id"],
            "TopicArn": fact["topic_arn"],
            "Subject": fact["subject"],
            "Message": fact["message"],
            "Timestamp": moment.removesuffix("+00:00") + "Z",
            "SignatureVersion": "1",
            "Signature": "none",
            "SigningCertUrl": f"{host}/SimpleNotificationService-none.pem",
            "UnsubscribeUrl": unsubscribe,
            "MessageAttributes": fact["attributes"],
        },
    }
    return {"Records": [record]}
