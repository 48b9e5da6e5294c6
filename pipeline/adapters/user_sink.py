"""Audit rows, facts about the users flow and its quarantine, on DynamoDB and S3."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.adapters.anomaly_items import fact_item
from pipeline.adapters.dynamodb import BatchTables, Put
from pipeline.adapters.lake_puts import put_calls
from pipeline.adapters.parallel import Parallel
from pipeline.detection.anomaly import Anomaly, timestamp_text
from pipeline.flows.users.ports import AuditRow
from pipeline.ports import LakeObject, RemainingTime

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class AwsUserSink:
    """`flows.users.ports.UserSink`: hash key `user_id`, range key `changed_at#change_id`."""

    def __init__(  # noqa: PLR0913  two services and the names in them
        self,
        tables: BatchTables,
        s3: "S3Client",
        parallel: Parallel,
        *,
        audit_table: str,
        anomalies_table: str,
        bucket: str,
        audit_ttl_s: int,
        anomaly_ttl_s: int,
    ) -> None:
        self._tables = tables
        self._s3 = s3
        self._parallel = parallel
        self._audit_table = audit_table
        self._anomalies_table = anomalies_table
        self._bucket = bucket
        self._audit_ttl_s = audit_ttl_s
        self._anomaly_ttl_s = anomaly_ttl_s

    def write(
        self,
        audit_rows: Sequence[AuditRow],
        anomalies: Sequence[Anomaly],
        objects: Sequence[LakeObject],
        remaining_s: RemainingTime,
    ) -> None:
        """Write everything, in no order; on return all of it is durable.

        Raises:
            RetryableError: Throttling or outage; some of it may be written.
            InvalidRecordError: A service refuses an item or object.
        """
        puts = [*map(self._audit_put, audit_rows), *map(self._anomaly_put, anomalies)]
        calls = put_calls(self._s3, self._bucket, objects)
        self._parallel.run([*calls, *self._tables.write_calls(puts, remaining_s)])

    def _audit_put(self, row: AuditRow) -> Put:
        change_key = f"{timestamp_text(row.changed_at)}#{row.change_id}"
        changes = {
            name: {"M": {"before": {"S": before}, "after": {"S": after}}}
            for name, (before, after) in row.changes.items()
        }
        item = {
            "user_id": {"S": row.user_id},
            "change_key": {"S": change_key},
            "changed_at": {"S": timestamp_text(row.changed_at)},
            "changes": {"M": changes},
            "expires_at": {"N": str(int(row.changed_at.timestamp()) + self._audit_ttl_s)},
        }
        return Put(self._audit_table, (row.user_id, change_key), item)

    def _anomaly_put(self, anomaly: Anomaly) -> Put:
        item = fact_item(anomaly, self._anomaly_ttl_s)
        return Put(self._anomalies_table, (anomaly.dedup_key, anomaly.fact_key), item)
