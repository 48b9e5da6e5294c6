"""What is told of an asynchronous invocation's end, in AWS's shapes."""

import json

from pipeline.local.semantics.async_invocation import Condition, Deliver, Event, Raised, Returned
from pipeline.local.semantics.async_record import (
    bus_entry,
    dead_letter,
    destination_record,
    object_key,
)

ARN = "arn:aws:lambda:us-east-2:123456789012:function:my-function"
BUS = "arn:aws:events:us-east-2:123456789012:event-bus/default"
NOON = 1_573_755_365.568
EVENT = Event("e4b46cbf-b738-4880-8880-a18cdf61200e", b'{"ORDER_IDS":["a"]}', NOON)
ERROR = Raised(b'{"errorMessage":"boom","errorType":"ValueError","stackTrace":[]}')


def end(condition: Condition, count: int, last: Raised | Returned | None) -> Deliver:
    return Deliver(EVENT, condition, count, last)


def test_the_record_of_a_failure_is_that_of_the_developer_guide() -> None:
    record = destination_record(end("RetriesExhausted", 3, ERROR), ARN, NOON)

    assert record == {
        "version": "1.0",
        "timestamp": "2019-11-14T18:16:05.568Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-4880-8880-a18cdf61200e",
            "functionArn": f"{ARN}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"ORDER_IDS": ["a"]},
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {"errorMessage": "boom", "errorType": "ValueError", "stackTrace": []},
    }


def test_the_record_of_a_success_has_no_function_error() -> None:
    record = destination_record(end("Success", 1, Returned(b'{"ok":true}')), ARN, NOON)

    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert record["responsePayload"] == {"ok": True}


def test_the_record_of_an_event_that_was_never_tried_has_no_response() -> None:
    record = destination_record(end("EventAgeExceeded", 0, None), ARN, NOON)

    assert "responseContext" not in record
    assert "responsePayload" not in record


def test_a_bus_gets_the_record_as_the_detail() -> None:
    record = destination_record(end("RetriesExhausted", 3, ERROR), ARN, NOON)

    entry = bus_entry(record, BUS)

    assert json.loads(entry.pop("Detail")) == record
    assert entry == {
        "Source": "lambda",
        "DetailType": "Lambda Function Invocation Result - Failure",
        "Resources": [BUS, f"{ARN}:$LATEST"],
        "EventBusName": BUS,
    }


def test_a_bucket_gets_an_object_by_function_and_day() -> None:
    assert object_key("my-function", NOON, "unique") == (
        "aws/lambda/async/my-function/2019/11/14/2019-11-14T18.16.05-unique"
    )


def test_a_dead_letter_is_the_event_with_its_error() -> None:
    letter = dead_letter(end("RetriesExhausted", 3, ERROR))

    assert letter.body == '{"ORDER_IDS":["a"]}'
    assert letter.attributes == {
        "RequestID": {
            "DataType": "String",
            "StringValue": "e4b46cbf-b738-4880-8880-a18cdf61200e",
        },
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "boom"},
    }


def test_a_long_error_message_is_cut_and_an_empty_one_replaced() -> None:
    long = dead_letter(
        end("RetriesExhausted", 1, Raised(json.dumps({"errorMessage": "x" * 2000}).encode()))
    )
    empty = dead_letter(end("RetriesExhausted", 1, Raised(b'{"errorMessage": ""}')))

    assert len(long.attributes["ErrorMessage"]["StringValue"]) == 1024
    assert empty.attributes["ErrorMessage"]["StringValue"] == "Unknown error"


def test_the_dead_letter_of_an_event_that_was_never_tried_says_why() -> None:
    letter = dead_letter(end("ZeroReservedConcurrency", 0, None))

    assert letter.attributes["ErrorCode"]["StringValue"] == "429"
    assert "zero reserved concurrent executions" in letter.attributes["ErrorMessage"]["StringValue"]
