"""Records of the stream of AnomaliesTable."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.adapters.anomaly_items import decode_anomaly
from pipeline.flows.alerts.flow import FactRecord


def fact_record(record: Mapping[str, Any]) -> FactRecord:
    """Return what the alert flow takes of a record of the table's stream, decoded on demand.

    Args:
        record: An INSERT as Lambda delivers it.
    """
    change = record["dynamodb"]
    return FactRecord(
        sequence_number=change["SequenceNumber"],
        dedup_key=change["Keys"]["dedup_key"]["S"],
        fact_key=change["Keys"]["fact_key"]["S"],
        written_at=datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC),
        read=lambda: decode_anomaly(change["NewImage"]),
    )
