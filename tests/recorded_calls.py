"""Records the AWS calls that each consumer makes in the tests, as IAM would judge them.

A botocore hook sees every call of the process. It counts those that come out of the pipeline's
adapters, told by their call stack, so that what a test sets up or looks at itself stays out. Calls
belong to the consumer whose `recording` is open. `tests/template/test_permissions.py` compares them
with the roles of the template.
"""

import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import botocore

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from botocore.session import Session

_ADAPTERS: Final = "pipeline.adapters"


class Call(NamedTuple):
    """A kind of call: IAM action, the setting that names its resource, and where in it.

    `place` is the first part of an S3 key with its slash, else empty.
    """

    action: str
    setting: str
    place: str = ""


_calls: dict[str, set[Call]] = {}
_open: list[str] = []


@contextmanager
def recording(consumer: str) -> Iterator[set[Call]]:
    """Count the adapters' calls, of any thread, as the consumer's; gives its calls so far."""
    _open.append(consumer)
    try:
        yield _calls.setdefault(consumer, set())
    finally:
        _open.remove(consumer)


def calls_of(consumer: str) -> frozenset[Call]:
    """Return what the consumer has called since the process began."""
    return frozenset(_calls.get(consumer, ()))


def calls(
    service: str, operation: str, params: Mapping[str, Any], environment: Mapping[str, str]
) -> set[Call]:
    """Return what IAM is asked about one call, one entry per resource that it touches.

    Raises:
        LookupError: The recorder does not know the operation's resource, or no setting names it.
    """
    if operation == "GetRecords":
        return {Call(f"{service}:{operation}", "EVENT_STREAM")}  # an iterator stands for it
    if service == "rekognition":
        return {Call(f"{service}:{operation}", "*")}  # it has no resources to name
    if service == "athena":  # all of it is judged by the workgroup, which only a start names
        return {Call(f"{service}:{operation}", "ANALYTICS_WORKGROUP")}
    if operation == "GetObject" and "VersionId" in params:
        folder, slash, _ = params["Key"].partition("/")
        setting = _setting(params["Bucket"], environment)
        return {Call("s3:GetObjectVersion", setting, folder + slash)}
    return {
        Call(f"{service}:{action}", _setting(name, environment), place)
        for action, part in _actions(operation, params)
        for name, place in _resources(service, action, part)
    }


def install() -> None:
    """Watch every botocore session made from now on."""
    botocore.register_initializer(_watch)


def _watch(session: "Session") -> None:
    session.register("before-parameter-build", _record)


def _record(**event: Any) -> None:  # noqa: ANN401  the shape of all botocore hooks
    if _open and _comes_from_an_adapter():
        model: OperationModel = event["model"]
        service = model.service_model.service_name
        _calls[_open[-1]].update(calls(service, model.name, event["params"], os.environ))


def _comes_from_an_adapter() -> bool:
    frame = inspect.currentframe()
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_ADAPTERS):
            return True
        frame = frame.f_back
    return False


def _actions(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the IAM actions of an operation, which for some are named otherwise.

    Source: Amazon DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How it works"; Amazon
    SQS Developer Guide, "Amazon SQS API permissions"; Amazon S3 User Guide, "Required permissions
    for Amazon S3 API operations".
    """
    match operation:
        case "TransactWriteItems":
            for item in params["TransactItems"]:
                ((kind, part),) = item.items()
                yield ("ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"), part
        case "SendMessageBatch":
            yield "SendMessage", params
        case "ListObjectsV2":
            yield "ListBucket", params
        case "ListObjectVersions":
            yield "ListBucketVersions", params
        case "DeleteObjects":
            for each in params["Delete"]["Objects"]:
                action = "DeleteObjectVersion" if "VersionId" in each else "DeleteObject"
                yield action, {"Bucket": params["Bucket"], "Key": each["Key"]}
        case _:
            yield operation, params


def _resources(  # noqa: C901  one case per kind of resource
    service: str, operation: str, params: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    match service, operation:
        case "dynamodb", "Query" if "IndexName" in params:
            yield params["TableName"], "index/"
        case "dynamodb", "BatchGetItem" | "BatchWriteItem":
            yield from ((table, "") for table in params["RequestItems"])
        case "dynamodb", (
            "ConditionCheckItem" | "GetItem" | "PutItem" | "Query" | "UpdateItem" | "DeleteItem"
        ):
            yield params["TableName"], ""
        case "s3", "ListBucket" | "ListBucketVersions":
            yield params["Bucket"], ""
        case "s3", "DeleteObject" | "DeleteObjectVersion" | "GetObject" | "PutObject":
            folder, slash, _ = params["Key"].partition("/")
            yield params["Bucket"], folder + slash
        case "sqs", "SendMessage" | "GetQueueAttributes":
            yield params["QueueUrl"], ""
        case "sns", "Publish":
            yield params["TopicArn"], ""
        case "ssm", "GetParameter":
            yield params["Name"].partition(":")[0], ""  # IAM judges no version of it apart
        case "kinesis", "ListShards" | "GetShardIterator" | "PutRecords":
            if "NextToken" not in params:  # a further page names no stream
                yield params["StreamName"], ""
        case _:
            raise LookupError(
                f"which resource does {service}:{operation} touch? teach the recorder"
            )


def _setting(name: str, environment: Mapping[str, str]) -> str:
    settings = [variable for variable, value in environment.items() if value == name]
    if len(settings) != 1:
        raise LookupError(f"{name} is named by {settings}, not by one setting")
    return settings[0]
