"""Records of the event stream."""

import base64
from collections.abc import Mapping
from typing import Any

from pipeline.records import KinesisRecord


def kinesis_record(record: Mapping[str, Any]) -> KinesisRecord:
    """Return what the event flow takes of a record of the stream.

    Args:
        record: A record as Lambda delivers it.
    """
    kinesis = record["kinesis"]
    return KinesisRecord(
        shard_id=record["eventID"].partition(":")[0],
        sequence_number=int(kinesis["sequenceNumber"]),
        partition_key=kinesis["partitionKey"],
        arrived_at=kinesis["approximateArrivalTimestamp"],
        data=base64.b64decode(kinesis["data"]),
    )
