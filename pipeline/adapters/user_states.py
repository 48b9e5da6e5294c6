"""What the detectors remember of one user, to be erased with him."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.adapters.aws import service_errors
from pipeline.flows.users.ports import Removal
from pipeline.ports import RemainingTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class StateContent:
    """`flows.users.ports.UserContent`: his rows in DetectorStateTable, of all shards.

    The event flow may hold such a row in memory and write it back if the user still sends events;
    such a row expires like any other.

    Args:
        client: Low-level DynamoDB client.
        table: The table.
        detectors: Name and version of the detectors that keep a state per user.
    """

    def __init__(self, client: "DynamoDBClient", table: str, detectors: Sequence[str]) -> None:
        self._client = client
        self._table = table
        self._detectors = detectors

    def erase(self, removal: Removal, remaining_s: RemainingTime) -> bool:
        """Erase the rows, detector by detector, as far as the time allows."""
        for detector in self._detectors:
            if remaining_s() <= 0:
                return False
            if not self._erase(f"{detector}#{removal.user_id}", remaining_s):
                return False
        return True

    def _erase(self, state_key: str, remaining_s: RemainingTime) -> bool:
        with service_errors("find a user's states"):
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="state_key = :state_key",
                ExpressionAttributeValues={":state_key": {"S": state_key}},
                ProjectionExpression="state_key, shard_id",
                ConsistentRead=True,
            )
        for item in answer["Items"]:
            if remaining_s() <= 0:
                return False
            with service_errors("erase a user's state"):
                self._client.delete_item(TableName=self._table, Key=item)
        return "LastEvaluatedKey" not in answer
