"""Requests that break one rule of the guard each, with the message that AWS gives."""

import json
from typing import Any, NamedTuple

UNICODE = "ü"
STRING: dict[str, Any] = {"DataType": "String", "StringValue": "x"}
TOO_MANY = {f"a{number}": STRING for number in range(11)}


class Case(NamedTuple):
    """A call and the refusal that it deserves; `message` is part of the refusal's.

    `TABLE`, `STREAM`, `QUEUE`, `FIFO`, `TOPIC` and `BUCKET` stand for what the test has made.
    """

    rule: str
    service: str
    operation: str
    arguments: dict[str, Any]
    message: str
    code: str | None = None


def item(key: str = "a", sort: str = "b", **attributes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"k": {"S": key}, "r": {"S": sort}, **attributes}


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "leaf"}
    for level in range(depth):
        value = {"L": [value]} if level % 2 else {"M": {"n": value}}
    return value


def put(rule: str, message: str, **attributes: Any) -> Case:  # noqa: ANN401
    arguments = {"TableName": "TABLE", "Item": item(**attributes)}
    return Case(rule, "dynamodb", "put_item", arguments, message)


def batch(rule: str, message: str, *writes: dict[str, Any]) -> Case:
    arguments = {"RequestItems": {"TABLE": list(writes)}}
    return Case(rule, "dynamodb", "batch_write_item", arguments, message)


def puts(*items: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"PutRequest": {"Item": one}} for one in items]


def deletion(key: dict[str, Any]) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": key}}


def batch_get(rule: str, message: str, *keys: dict[str, Any], table: str = "TABLE") -> Case:
    arguments = {"RequestItems": {table: {"Keys": list(keys)}}}
    return Case(rule, "dynamodb", "batch_get_item", arguments, message)


def on_key(operation: str, rule: str, message: str, **arguments: Any) -> Case:  # noqa: ANN401
    return Case(
        rule, "dynamodb", operation, {"TableName": "TABLE", "Key": item(), **arguments}, message
    )


DUPLICATES = "Provided list of item keys contains duplicates"
SCHEMA = "The provided key element does not match the schema"
EMPTY_KEY = "The AttributeValue for a key attribute cannot contain an empty string value. Key: r"
BATCH_SIZE = (
    "1 validation error detected: Value at 'requestItems' failed to satisfy constraint: Map value "
    "must satisfy constraint: [Member must have length less than or equal to 25, Member must have "
    "length greater than or equal to 1]"
)
OVERFLOW = (
    "Number overflow. Attempting to store a number with magnitude larger than supported range"
)
DIGITS = "Attempting to store more than 38 significant digits in a Number"
TOO_DEEP = "Attributes in the item have nested levels beyond supported limit"
AT_LEAST_ONE = "Member must have length greater than or equal to 1"
SET_X = {"UpdateExpression": "SET x = :x"}

DYNAMODB = [
    batch("dynamodb-batch-duplicates", DUPLICATES, *puts(item(x={"S": "1"}), item(x={"S": "2"}))),
    batch("dynamodb-batch-duplicates", DUPLICATES, *puts(item()), deletion(item())),
    batch("dynamodb-batch-size", BATCH_SIZE, *puts(*(item(sort=str(n)) for n in range(26)))),
    batch("dynamodb-batch-size", BATCH_SIZE),
    Case(
        "dynamodb-batch-size",
        "dynamodb",
        "batch_write_item",
        {"RequestItems": {}},
        f"Value '{{}}' at 'requestItems' failed to satisfy constraint: {AT_LEAST_ONE}",
    ),
    Case(
        "dynamodb-batch-size",
        "dynamodb",
        "batch_write_item",
        {
            "RequestItems": {
                "TABLE": puts(*(item(sort=str(n)) for n in range(20))),
                "NUMBERS": puts(*({"k": {"N": str(n)}} for n in range(6))),
            }
        },
        "Too many items requested for the BatchWriteItem call",
    ),
    batch(
        "dynamodb-batch-bytes",
        "exceeds the limit of 16777216 bytes",
        *puts(*(item(sort=str(n), x={"S": "x" * 700_000}) for n in range(25))),
    ),
    batch_get(
        "dynamodb-batch-get-duplicates",
        DUPLICATES,
        {"k": {"N": "1"}},
        {"k": {"N": "1.0"}},
        table="NUMBERS",
    ),
    batch_get("dynamodb-batch-size", AT_LEAST_ONE),
    put("dynamodb-number-range", OVERFLOW, x={"N": "1e126"}),
    put("dynamodb-number-range", OVERFLOW, x={"N": "-1" + "0" * 126}),
    put("dynamodb-number-range", OVERFLOW, x={"M": {"a": {"L": [{"N": "1e126"}]}}}),
    put("dynamodb-number-range", "Number underflow.", x={"L": [{"N": "1e-131"}]}),
    batch("dynamodb-number-range", OVERFLOW, *puts(item(x={"N": "1e126"}))),
    on_key(
        "update_item",
        "dynamodb-number-range",
        OVERFLOW,
        **SET_X,
        ExpressionAttributeValues={":x": {"N": "1e126"}},
    ),
    Case(
        "dynamodb-number-range",
        "dynamodb",
        "transact_write_items",
        {"TransactItems": [{"Put": {"TableName": "TABLE", "Item": item(x={"N": "1e126"})}}]},
        OVERFLOW,
    ),
    put("dynamodb-number-digits", DIGITS, x={"N": "1" * 39}),
    put("dynamodb-number-digits", DIGITS, x={"N": "0." + "1" * 39}),
    put("dynamodb-number-digits", DIGITS, x={"NS": ["1", "1" * 39]}),
    put("dynamodb-number-form", "cannot be converted to a numeric value: 1_0", x={"N": "1_0"}),
    put(
        "dynamodb-set-duplicates",
        "Input collection [a, a] contains duplicates.",
        x={"SS": ["a", "a"]},
    ),
    put("dynamodb-set-duplicates", "Input collection contains duplicates", x={"NS": ["1", "1.0"]}),
    put("dynamodb-set-duplicates", "of type BS contains duplicates.", x={"BS": [b"a", b"a"]}),
    batch("dynamodb-set-empty", "An string set  may not be empty", *puts(item(x={"SS": []}))),
    put("dynamodb-one-type", "more than one datatypes set", x={"S": "a", "N": "1"}),
    put("dynamodb-one-type", "Supplied AttributeValue is empty", x={}),
    put("dynamodb-nesting", TOO_DEEP, x=nested(32)),
    batch("dynamodb-key-empty", EMPTY_KEY, deletion(item(sort=""))),
    batch_get("dynamodb-key-empty", EMPTY_KEY, item(sort="")),
    on_key("delete_item", "dynamodb-key-empty", EMPTY_KEY, Key=item(sort="")),
    on_key(
        "update_item",
        "dynamodb-key-empty",
        EMPTY_KEY,
        Key=item(sort=""),
        **SET_X,
        ExpressionAttributeValues={":x": {"N": "1"}},
    ),
    batch("dynamodb-key-schema", SCHEMA, deletion(item(x={"S": "1"}))),
    batch_get("dynamodb-key-schema", SCHEMA, item(x={"S": "1"})),
    on_key("get_item", "dynamodb-key-schema", SCHEMA, Key={"k": {"N": "1"}, "r": {"S": "a"}}),
    on_key("get_item", "dynamodb-key-schema", SCHEMA, Key={"k": {"S": "1"}}),
    on_key(
        "get_item",
        "dynamodb-key-size",
        "Size of hashkey has exceeded the maximum size limit of2048",
        Key=item("k" * 2049),
    ),
    on_key(
        "get_item",
        "dynamodb-key-size",
        "Aggregated size of all range keys has exceeded the size",
        Key=item(sort=UNICODE * 513),
    ),
    put(
        "dynamodb-index-key-type",
        "Type mismatch for Index Key g Expected: S Actual: N IndexName: by_g",
        g={"N": "1"},
    ),
    on_key(
        "update_item",
        "dynamodb-expression-size",
        "Invalid UpdateExpression: Expression size has exceeded the maximum allowed size",
        UpdateExpression="SET " + ",".join(f"attribute{n:04} = :x" for n in range(250)),
        ExpressionAttributeValues={":x": {"N": "1"}},
    ),
    Case(
        "dynamodb-values-without-expression",
        "dynamodb",
        "put_item",
        {"TableName": "TABLE", "Item": item(), "ExpressionAttributeValues": {":y": {"N": "1"}}},
        "ExpressionAttributeValues can only be specified when using expressions",
    ),
    Case(
        "dynamodb-transaction-empty",
        "dynamodb",
        "transact_write_items",
        {"TransactItems": []},
        f"Value '[]' at 'transactItems' failed to satisfy constraint: {AT_LEAST_ONE}",
    ),
    Case(
        "dynamodb-transaction-bytes",
        "dynamodb",
        "transact_write_items",
        {
            "TransactItems": [
                {"Put": {"TableName": "TABLE", "Item": item(sort=str(n), x={"S": "x" * 390_000})}}
                for n in range(12)
            ]
        },
        "less than or equal to 4194304 bytes",
    ),
    Case(
        "dynamodb-transaction-get-duplicates",
        "dynamodb",
        "transact_get_items",
        {"TransactItems": [{"Get": {"TableName": "TABLE", "Key": item()}}] * 2},
        "Transaction request cannot include multiple operations on one item",
    ),
    Case(
        "dynamodb-limit",
        "dynamodb",
        "query",
        {
            "TableName": "TABLE",
            "Limit": 0,
            "KeyConditionExpression": "k = :k",
            "ExpressionAttributeValues": {":k": {"S": "a"}},
        },
        "Value '0' at 'limit' failed to satisfy constraint",
    ),
]  # fmt: skip  a case a line


def record(rule: str, message: str, code: str | None = None, **changes: Any) -> Case:  # noqa: ANN401
    arguments = {"StreamName": "STREAM", "Data": b"x", "PartitionKey": "p", **changes}
    return Case(rule, "kinesis", "put_record", arguments, message, code)


def records(rule: str, message: str, *changes: dict[str, Any]) -> Case:
    sent = [{"Data": b"x", "PartitionKey": "p", **change} for change in changes]
    return Case(rule, "kinesis", "put_records", {"StreamName": "STREAM", "Records": sent}, message)


MEBIBYTE = "Member must have length less than or equal to 1048576"
KINESIS = [
    record(
        "kinesis-record-bytes",
        f"'data' failed to satisfy constraint: {MEBIBYTE}",
        Data=b"x" * 1_048_577,
    ),
    record("kinesis-record-bytes", MEBIBYTE, Data=b"x" * 1_048_576),
    record(
        "kinesis-partition-key",
        "Member must have length less than or equal to 256",
        PartitionKey="p" * 257,
    ),
    record("kinesis-partition-key", AT_LEAST_ONE, PartitionKey=""),
    records(
        "kinesis-partition-key",
        "Value '' at 'records.2.member.partitionKey'",
        {},
        {"PartitionKey": ""},
    ),
    record(
        "kinesis-hash-key", r"regular expression pattern: 0|([1-9]\d{0,38})", ExplicitHashKey="abc"
    ),
    record(
        "kinesis-hash-key",
        "must be in the range: [0, 2^128-1]",
        "InvalidArgumentException",
        ExplicitHashKey=str(2**128),
    ),
    records(
        "kinesis-records-empty",
        f"Value '[]' at 'records' failed to satisfy constraint: {AT_LEAST_ONE}",
    ),
]  # fmt: skip  a case a line


def publish(rule: str, message: str, **changes: Any) -> Case:  # noqa: ANN401
    return Case(rule, "sns", "publish", {"TopicArn": "TOPIC", "Message": "m", **changes}, message)


def publish_batch(rule: str, message: str, *entries: dict[str, Any]) -> Case:
    arguments = {"TopicArn": "TOPIC", "PublishBatchRequestEntries": list(entries)}
    return Case(rule, "sns", "publish_batch", arguments, message)


SUBJECT = "Invalid parameter: Subject"
TOO_LONG = "Invalid parameter: Message too long"
SNS = [
    publish("sns-subject", SUBJECT, Subject="two\nlines"),
    publish("sns-subject", SUBJECT, Subject="größer"),
    publish("sns-subject", SUBJECT, Subject="bell\x07"),
    publish("sns-subject", SUBJECT, Subject=" indented"),
    publish("sns-subject", SUBJECT, Subject="x" * 100),
    publish("sns-subject", SUBJECT, Subject=""),
    publish("sns-message-empty", "Invalid parameter: Empty message", Message=""),
    publish("sns-message-bytes", TOO_LONG, Message=UNICODE * 131_073),
    publish("sns-message-bytes", TOO_LONG, Message="x" * 262_140, MessageAttributes={"a": STRING}),
    publish(
        "sns-message-structure",
        "JSON message body failed to parse",
        Message="x",
        MessageStructure="json",
    ),
    publish(
        "sns-message-structure",
        "No default entry in JSON message body",
        Message='{"sqs": "x"}',
        MessageStructure="json",
    ),
    publish_batch("sns-batch-empty", "The batch request doesn't contain any entries."),
    publish_batch(
        "sns-batch-bytes",
        "more than the limit",
        *({"Id": str(n), "Message": "x" * 100_000} for n in range(3)),
    ),
    publish_batch(
        "sns-batch-id", "doesn't abide by the specification", {"Id": "a b", "Message": "m"}
    ),
]  # fmt: skip  a case a line


def send(rule: str, message: str, queue: str = "QUEUE", **changes: Any) -> Case:  # noqa: ANN401
    arguments = {"QueueUrl": queue, "MessageBody": "m", **changes}
    return Case(rule, "sqs", "send_message", arguments, message)


def entries(operation: str, rule: str, message: str, *changes: dict[str, Any]) -> Case:
    return Case(rule, "sqs", operation, {"QueueUrl": "QUEUE", "Entries": list(changes)}, message)


FIFO: dict[str, Any] = {"queue": "FIFO", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
HANDLES = [{"Id": str(n), "ReceiptHandle": "x", "VisibilityTimeout": 1} for n in range(11)]
SQS = [
    send(
        "sqs-characters",
        "Invalid binary character '#x0' was found in the message body, the set of allowed "
        "characters is #x9",
        MessageBody="a\0b",
    ),
    send("sqs-characters", "'#xFFFF'", MessageBody="\uffff"),
    send(
        "sqs-characters",
        "'#x7' was found in the message attribute 'a' value",
        MessageAttributes={"a": {**STRING, "StringValue": "\x07"}},
    ),
    entries("send_message_batch", "sqs-characters", "'#x0'", {"Id": "1", "MessageBody": "\0"}),
    send("sqs-message-empty", "must contain the parameter MessageBody", MessageBody=""),
    send(
        "sqs-message-bytes",
        "Message must be shorter than 1048576 bytes.",
        MessageBody=UNICODE * 524_289,
    ),
    send(
        "sqs-message-bytes",
        "Message must be shorter than 1048576 bytes.",
        MessageBody="x" * 1_048_570,
        MessageAttributes={"a": STRING},
    ),
    send(
        "sqs-attribute-count",
        "Number of message attributes [11] exceeds the allowed maximum [10].",
        MessageAttributes=TOO_MANY,
    ),
    send(
        "sqs-attribute-empty",
        "must contain non-empty message attribute value",
        MessageAttributes={"a": {**STRING, "StringValue": ""}},
    ),
    send("sqs-delay", "Value -1 for parameter DelaySeconds is invalid.", DelaySeconds=-1),
    send(
        "sqs-fifo-parameter",
        "Value d for parameter MessageDeduplicationId is invalid.",
        MessageDeduplicationId="d",
    ),
    send(
        "sqs-fifo-id",
        "MessageGroupId can only include alphanumeric",
        **{**FIFO, "MessageGroupId": "g" * 129},
    ),
    send(
        "sqs-fifo-id",
        "MessageDeduplicationId can only include",
        **{**FIFO, "MessageDeduplicationId": UNICODE},
    ),
    entries(
        "send_message_batch",
        "sqs-batch-bytes",
        "You have sent 1200000 bytes.",
        *({"Id": str(n), "MessageBody": UNICODE * 300_000} for n in range(2)),
    ),
    entries(
        "change_message_visibility_batch",
        "sqs-batch-empty",
        "at least one ChangeMessageVisibilityBatchRequestEntry",
    ),
    entries(
        "change_message_visibility_batch",
        "sqs-batch-size",
        "Maximum number of entries per request are 10. You have sent 11.",
        *HANDLES,
    ),
    entries(
        "delete_message_batch",
        "sqs-batch-size",
        "Maximum number of entries per request are 10. You have sent 11.",
        *({"Id": str(n), "ReceiptHandle": "x"} for n in range(11)),
    ),
    entries(
        "change_message_visibility_batch",
        "sqs-batch-duplicates",
        "Id 0 repeated.",
        HANDLES[0],
        HANDLES[0],
    ),
]  # fmt: skip  a case a line

EVENT = {"Source": "s", "DetailType": "d"}
OTHERS = [
    Case("events-entries-empty", "events", "put_events", {"Entries": []}, AT_LEAST_ONE),
    Case(
        "events-entries-bytes",
        "events",
        "put_events",
        {"Entries": [{**EVENT, "Detail": json.dumps({"a": "x" * 1_050_000})}]},
        "Total size of the entries in the request is over the limit.",
    ),
    Case(
        "events-pattern",
        "events",
        "put_rule",
        {"Name": "r", "EventPattern": '{"a": [{"x": 1}]}'},
        "Event pattern is not valid. Reason: Unrecognized match type x",
    ),
    Case(
        "s3-key-bytes",
        "s3",
        "put_object",
        {"Bucket": "BUCKET", "Key": UNICODE * 513, "Body": b"x"},
        "Your key is too long",
    ),
    Case(
        "s3-key-bytes",
        "s3",
        "get_object",
        {"Bucket": "BUCKET", "Key": "k" * 1025},
        "Your key is too long",
    ),
    Case(
        "s3-metadata-bytes",
        "s3",
        "put_object",
        {"Bucket": "BUCKET", "Key": "k", "Body": b"x", "Metadata": {"a": "x" * 2048}},
        "Your metadata headers exceed the maximum allowed metadata size",
    ),
    Case(
        "s3-delete-count",
        "s3",
        "delete_objects",
        {"Bucket": "BUCKET", "Delete": {"Objects": [{"Key": str(n)} for n in range(1001)]}},
        "The XML you provided was not well-formed",
    ),
    Case(
        "ssm-value-length",
        "ssm",
        "put_parameter",
        {"Name": "p", "Value": "x" * 4097, "Type": "String"},
        "Standard tier parameters support a maximum parameter value of 4096 characters.",
    ),
]  # fmt: skip  a case a line

CASES = [*DYNAMODB, *KINESIS, *SNS, *SQS, *OTHERS]
