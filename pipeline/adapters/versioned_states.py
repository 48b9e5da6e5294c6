"""Detector states with several writers in DetectorStateTable, each replaced with its facts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipeline.adapters.anomaly_items import fact_item
from pipeline.adapters.aws import service_errors
from pipeline.adapters.dynamodb import BatchTables, Item
from pipeline.adapters.parallel import Parallel
from pipeline.detection.anomaly import Anomaly
from pipeline.flows.users.ports import StateChange, Versioned
from pipeline.ports import RemainingTime, StateKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ANY_SHARD: Final = "any"
"""Range key of these rows, where states with one writer have their shard."""

_REPLACES: Final = "version = :replaces"
_CREATES: Final = "attribute_not_exists(version)"
_LOST: Final = frozenset({"ConditionalCheckFailed", "TransactionConflict"})


class DynamoVersionedStates:
    """`flows.users.ports.VersionedStates` on DynamoDB.

    A change without facts is one conditional put, 1 write unit; one with facts is a transaction of
    the put and the facts, 2 units each.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        tables: BatchTables,
        parallel: Parallel,
        *,
        table: str,
        anomalies_table: str,
        anomaly_ttl_s: int,
    ) -> None:
        self._client = client
        self._tables = tables
        self._parallel = parallel
        self._table = table
        self._anomalies_table = anomalies_table
        self._anomaly_ttl_s = anomaly_ttl_s

    def read(
        self, keys: Sequence[StateKey], remaining_s: RemainingTime
    ) -> Mapping[StateKey, Versioned]:
        """Read rows consistently; keys without a row are absent from the answer."""
        by_text = {_text(key): key for key in keys}
        items = self._tables.read(self._table, [_item_key(key) for key in keys], remaining_s)
        return {
            by_text[item["state_key"]["S"]]: Versioned(
                bytes(item["state"]["B"]), int(item["version"]["N"])
            )
            for item in items
        }

    def write(self, changes: Mapping[StateKey, StateChange]) -> Sequence[StateKey]:
        """Replace rows, each together with its anomalies or not at all.

        A write whose reply was lost looks like one that somebody else was quicker with: the caller
        reads its own state then.
        """
        lost: list[StateKey] = []
        calls = [
            lambda key=key, change=change: None if self._write(key, change) else lost.append(key)
            for key, change in changes.items()
        ]
        self._parallel.run(calls, "write states")
        return lost

    def _write(self, key: StateKey, change: StateChange) -> bool:
        put: Any = {"TableName": self._table, "Item": _item(key, change)}
        if change.replaces:
            put["ConditionExpression"] = _REPLACES
            put["ExpressionAttributeValues"] = {":replaces": {"N": str(change.replaces)}}
        else:
            put["ConditionExpression"] = _CREATES
        with service_errors(f"write the state {key.detector}"):
            try:
                if change.anomalies:
                    facts: list[Any] = [{"Put": self._fact(fact)} for fact in change.anomalies]
                    self._client.transact_write_items(TransactItems=[{"Put": put}, *facts])
                else:
                    self._client.put_item(**put)
            except ClientError as error:
                if not _is_lost(error):
                    raise
                return False
        return True

    def _fact(self, anomaly: Anomaly) -> dict[str, Any]:
        item = fact_item(anomaly, self._anomaly_ttl_s)
        return {"TableName": self._anomalies_table, "Item": item}


def _is_lost(error: ClientError) -> bool:
    response: Any = error.response
    code = response["Error"]["Code"]
    if code != "TransactionCanceledException":
        return bool(code in {"ConditionalCheckFailedException", "TransactionConflictException"})
    codes = {reason.get("Code", "None") for reason in response.get("CancellationReasons", [])}
    return bool(codes & _LOST) and codes <= _LOST | {"None"}


def _item(key: StateKey, change: StateChange) -> Item:
    return {
        **_item_key(key),
        "state": {"B": change.state},
        "version": {"N": str(change.replaces + 1)},
        "expires_at": {"N": str(change.expires_at)},
    }


def _item_key(key: StateKey) -> Item:
    return {"state_key": {"S": _text(key)}, "shard_id": {"S": ANY_SHARD}}


def _text(key: StateKey) -> str:
    return f"{key.detector}#{key.subject}"
