"""Phase one of a batch on DynamoDB and S3, all requests side by side."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.adapters.anomaly_items import fact_item
from pipeline.adapters.dynamodb import BatchTables, Put
from pipeline.adapters.event_items import EventTables, event_put
from pipeline.adapters.lake_puts import put_calls
from pipeline.adapters.parallel import Parallel
from pipeline.detection.anomaly import Anomaly
from pipeline.ports import LakeObject, RemainingTime, StoredEvent

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class AwsEventSink:
    """`ports.EventSink`: events and anomalies to their tables, objects to the lake bucket."""

    def __init__(
        self,
        tables: BatchTables,
        s3: "S3Client",
        parallel: Parallel,
        *,
        event_tables: EventTables,
        anomalies_table: str,
        bucket: str,
    ) -> None:
        self._tables = tables
        self._s3 = s3
        self._parallel = parallel
        self._event_tables = event_tables
        self._anomalies_table = anomalies_table
        self._bucket = bucket

    def write(
        self,
        events: Sequence[StoredEvent],
        anomalies: Sequence[Anomaly],
        objects: Sequence[LakeObject],
        remaining_s: RemainingTime,
    ) -> None:
        """Write everything; on return all of it is durable.

        The order is open, but for the facts of one incident: their stream tells them as they
        happened, the opening before what follows from it.

        Raises:
            RetryableError: Throttling or outage; some of it may be written.
            InvalidRecordError: A service refuses an item or object.
        """
        first, *later = _waves(anomalies) or [[]]
        puts = [event_put(stored, self._event_tables) for stored in events]
        puts.extend(map(self._anomaly_put, first))
        calls = put_calls(self._s3, self._bucket, objects)
        self._parallel.run([*calls, *self._tables.write_calls(puts, remaining_s)])
        for wave in later:
            self._tables.write(list(map(self._anomaly_put, wave)), remaining_s)

    def _anomaly_put(self, anomaly: Anomaly) -> Put:
        item = fact_item(anomaly, self._event_tables.ttl_s)
        return Put(self._anomalies_table, (anomaly.dedup_key, anomaly.fact_key), item)


def _waves(anomalies: Sequence[Anomaly]) -> list[list[Anomaly]]:
    """Deal facts into waves to be written one after the other, each with one fact per incident."""
    waves: list[list[Anomaly]] = []
    told: Counter[str] = Counter()
    for anomaly in anomalies:
        wave = told[anomaly.dedup_key]
        told[anomaly.dedup_key] += 1
        if wave == len(waves):
            waves.append([])
        waves[wave].append(anomaly)
    return waves
