"""What waits on a shard, asked of Kinesis itself."""

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipeline.adapters.aws import service_errors
from pipeline.flows.alerts.checkup_ports import Tail

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

MAX_PAGES: Final = 4
"""Empty pages on the way to a record; a shard answers five reads a second, its consumer's too.

Source: Amazon Kinesis Data Streams Developer Guide, "Troubleshoot consumers": GetRecords may return
empty pages although there are records further on.
"""

_END: Final = Tail(None, is_end=True)


class KinesisStreamTail:
    """`flows.alerts.checkup_ports.StreamTail` of one stream, one record at the most per look."""

    def __init__(self, client: "KinesisClient", stream: str) -> None:
        self._client = client
        self._stream = stream

    def behind(self, shard_id: str, applied: int) -> Tail:
        """Look for the first record behind a sequence number, 0 for the oldest one kept."""
        start: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
        if applied:
            start = {
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                "StartingSequenceNumber": str(applied),
            }
        with service_errors(f"look at the end of {shard_id}"):
            try:
                iterator: str | None = self._client.get_shard_iterator(
                    StreamName=self._stream, ShardId=shard_id, **start
                )["ShardIterator"]
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
                return _END  # dropped with its last record
            for _ in range(MAX_PAGES):
                if iterator is None:
                    return _END  # the shard is closed, and this was its end
                page = self._client.get_records(ShardIterator=iterator, Limit=1)
                if page["Records"]:
                    return Tail(page["Records"][0]["ApproximateArrivalTimestamp"], is_end=False)
                if page["MillisBehindLatest"] == 0:
                    return _END
                iterator = page.get("NextShardIterator")
        return Tail(None, is_end=False)
