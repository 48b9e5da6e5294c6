"""AWS::SNS."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import Handler, Properties, Stack, json_text
from pipeline.local.resources.lambda_name import function_of

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_TOPIC_NO_MEANING: Final = {
    "DeliveryStatusLogging": "the endpoint writes no delivery logs",
    "SignatureVersion": "nobody checks the signatures of local messages",
    "TracingConfig": "there is no X-Ray on a laptop",
}
_DELIVERED_PROTOCOLS: Final = frozenset({"email", "email-json", "http", "https", "sms", "sqs"})
"""Functions are told by the local run itself, but only on its own endpoint."""


def put_topic(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a topic with its own subscriptions, or set its attributes."""
    client: SNSClient = stack.client("sns")
    properties.without_meaning(_TOPIC_NO_MEANING)
    is_fifo = properties.flag("FifoTopic")
    suffix = ".fifo" if is_fifo else ""
    name = properties.take("TopicName") or f"{stack.physical_name(logical_id, 251)}{suffix}"
    creation = {"FifoTopic": "true"} if is_fifo else {}
    # CreateTopic gives the existing topic's ARN, but keeps its attributes.
    arn = client.create_topic(Name=name, Attributes=creation)["TopicArn"]
    for key, value in properties.pick(
        "ContentBasedDeduplication", "DisplayName", "KmsMasterKeyId"
    ).items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        client.set_topic_attributes(TopicArn=arn, AttributeName=key, AttributeValue=text)
    for tag in properties.tags():
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": tag["Key"], "Value": tag["Value"]}])
    for subscription in properties.take("Subscription") or []:
        protocol = subscription["Protocol"]
        if _is_delivered(stack, protocol, str(subscription.get("Endpoint")), properties.place):
            client.subscribe(TopicArn=arn, Protocol=protocol, Endpoint=subscription["Endpoint"])
        else:
            properties.report(f"Subscription.{protocol}")
    return PhysicalResource(arn, {"TopicArn": arn, "TopicName": name})


def put_topic_policy(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Set the policy of topics; the endpoint keeps it and does not judge by it."""
    client: SNSClient = stack.client("sns")
    policy = json_text(properties.require("PolicyDocument"))
    for arn in properties.require("Topics"):
        client.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    return PhysicalResource(stack.physical_name(logical_id))


def put_subscription(
    stack: Stack, logical_id: str, properties: Properties
) -> PhysicalResource | None:
    """Subscribe an endpoint; the same endpoint twice is one subscription, as on AWS."""
    del logical_id  # SNS names a subscription itself
    client: SNSClient = stack.client("sns")
    protocol = properties.text("Protocol")
    if not _is_delivered(stack, protocol, properties.text("Endpoint"), properties.place):
        return None
    arn = client.subscribe(
        TopicArn=properties.text("TopicArn"),
        Protocol=protocol,
        Endpoint=properties.text("Endpoint"),
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    settings = properties.pick(
        "DeliveryPolicy", "FilterPolicyScope", "FilterPolicy", "RawMessageDelivery", "RedrivePolicy"
    )
    for key, value in settings.items():
        text = json_text(value) if isinstance(value, Mapping) else str(value)
        client.set_subscription_attributes(
            SubscriptionArn=arn,
            AttributeName=key,
            AttributeValue=text.lower() if key == "RawMessageDelivery" else text,
        )
    return PhysicalResource(arn, {"Arn": arn})


def _is_delivered(stack: Stack, protocol: str, endpoint: str, place: str) -> bool:
    """Say whether messages get to an endpoint; a function is added to those that topics tell.

    Raises:
        TemplateError: The stack has no such function.
    """
    if protocol == "lambda" and stack.endpoint.is_embedded:
        function_of(stack, endpoint, place)
        stack.routes.subscribed_functions.add(endpoint)
        return True
    return protocol in _DELIVERED_PROTOCOLS


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::SNS::Subscription": put_subscription,
    "AWS::SNS::Topic": put_topic,
    "AWS::SNS::TopicPolicy": put_topic_policy,
}
