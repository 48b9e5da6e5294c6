"""What the local run corrects in moto's queues, on the server itself."""

import threading
from typing import TYPE_CHECKING

import pytest

from pipeline.local.endpoint import Endpoint

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef


@pytest.fixture
def sqs(endpoint: Endpoint) -> "SQSClient":
    client: SQSClient = endpoint.client("sqs")
    return client


def fifo(sqs: "SQSClient", name: str) -> str:
    return sqs.create_queue(
        QueueName=f"{name}.fifo",
        Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"},
    )["QueueUrl"]


def receive(
    sqs: "SQSClient", url: str, *, visibility_s: int = 30, wait_s: int = 0
) -> list["MessageTypeDef"]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["All"],
        VisibilityTimeout=visibility_s,
        WaitTimeSeconds=wait_s,
    )
    return answer.get("Messages", [])


def test_messages_of_a_fifo_queue_are_numbered_in_the_order_of_their_arrival(
    sqs: "SQSClient",
) -> None:
    url = fifo(sqs, "numbered")
    told = [
        sqs.send_message(QueueUrl=url, MessageBody="0", MessageGroupId="g"),
        sqs.send_message(
            QueueUrl=url, MessageBody="1", MessageGroupId="g", MessageDeduplicationId="x"
        ),
        sqs.send_message(QueueUrl=url, MessageBody="2", MessageGroupId="g"),
    ]

    messages = receive(sqs, url)

    numbers = [message["Attributes"]["SequenceNumber"] for message in messages]
    assert numbers == [answer["SequenceNumber"] for answer in told] == sorted(numbers)
    assert {len(number) for number in numbers} == {20}


def test_a_group_whose_messages_are_visible_again_comes_in_its_order(sqs: "SQSClient") -> None:
    url = fifo(sqs, "again")
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="g")
    receive(sqs, url, visibility_s=1)

    messages = receive(sqs, url, wait_s=5)

    assert [message["Body"] for message in messages] == ["0", "1", "2"]


def test_no_message_is_lost_while_others_are_deleted(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="busy")["QueueUrl"]
    seen: list[str] = []
    sent = threading.Event()

    def send() -> None:
        for number in range(100):
            sqs.send_message(QueueUrl=url, MessageBody=str(number))
        sent.set()

    threading.Thread(target=send).start()
    while not sent.is_set() or len(seen) < 100:
        messages = receive(sqs, url)
        if not messages and sent.is_set():
            break
        for message in messages:
            seen.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    assert sorted(seen, key=int) == [str(number) for number in range(100)]
