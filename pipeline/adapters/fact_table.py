"""Facts of the flows that write few of them; the event flow writes its own with its rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.adapters.anomaly_items import fact_item
from pipeline.adapters.aws import service_errors
from pipeline.detection.anomaly import Anomaly

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoFactTable:
    """`ports.FactSink` on AnomaliesTable.

    Args:
        client: Low-level DynamoDB client.
        table: AnomaliesTable.
        ttl_s: How long a fact is kept after what it tells happened.
    """

    def __init__(self, client: "DynamoDBClient", table: str, ttl_s: int) -> None:
        self._client = client
        self._table = table
        self._ttl_s = ttl_s

    def write(self, facts: Sequence[Anomaly]) -> None:
        """Write facts under their own keys, in their order; a repetition changes nothing."""
        for fact in facts:
            item = fact_item(fact, self._ttl_s)
            with service_errors(f"write a fact of {fact.rule_id}"):
                self._client.put_item(TableName=self._table, Item=item)
