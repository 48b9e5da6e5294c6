"""What a smoke test leaves in a stack: found piece by piece, and taken away again."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.adapters.event_items import EventTables
from pipeline.cli.alerts.index import AlertLine, Wanted, list_alerts
from pipeline.cli.alerts.rows import read_alert
from pipeline.cli.deployment.smoke_batch import RULE, Batch, Row
from pipeline.cli.lake.events import MAX_LATENESS, PREFIX, Lake
from pipeline.cli.lake.quarantine_lines import StoredObject, list_objects
from pipeline.cli.producers.producer import Producer, Receipt
from pipeline.cli.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_MAX_ALERTS = 100


class Traces:
    """The traces of one batch in one stack.

    Raises:
        StackError: The stack is of a template without what the test looks at.
    """

    def __init__(self, stack: Stack, batch: Batch) -> None:
        self._stack = stack
        self._batch = batch
        self._dynamodb: DynamoDBClient = stack.client("dynamodb")
        self._s3: S3Client = stack.client("s3")
        self._lake = stack.output("LakeBucketName")
        self._alerts = stack.output("AlertsTableName")
        self._receipts: list[Receipt] = []
        self._rows = batch.rows(
            EventTables(
                activities=stack.resources()["ActivitiesTable"],
                metrics=stack.output("MetricsTableName"),
                transactions=stack.output("TransactionsTableName"),
                ttl_s=int(stack.output("EventTtlDays")) * 86_400,
            ),
            with_activities=stack.output("ActivitiesInLakeOnly") != "true",
        )

    def put(self) -> None:
        """Put the batch on the stream.

        Raises:
            PutError: The stream did not take it.
        """
        producer = Producer(self._stack.client("kinesis"), self._stack.output("EventStreamName"))
        for receipts in producer.send(self._batch.puts()):
            self._receipts += receipts

    def missing_rows(self) -> list[str]:
        """Name the events without a row, or with one that has other attributes."""
        return [
            f"{row.table}: {row.item['event_id']['S']}"
            for row in self._rows
            if self._stored(row) != row.item
        ]

    def missing_in_the_lake(self) -> list[str]:
        """Name the events that no object of the lake has."""
        found = {
            item.event_id for one in self._objects() for item in self._lake_reader().read_one(one)
        }
        return sorted(self._batch.event_ids - found)

    def missing_pages(self) -> list[str]:
        """Say what is left of the alert's way: opened, told to all its topics, over."""
        line = self._alert()
        if line is None:
            return ["no alert has opened"]
        alert = read_alert(self._dynamodb, self._alerts, line)
        if alert is None or alert.firing:
            return [f"alert {line.alert_id} has not been resolved"]
        if alert.outbox:
            return [f"alert {line.alert_id} waits to be told"]
        if not alert.deliveries:
            return [f"alert {line.alert_id} was held back, by a silence or the page budget"]
        return []

    def remove(self) -> list[str]:
        """Take rows and objects away; say what has to stay.

        The alert and its facts stay until their time is up: people have been told of them, and
        another alert may be in the group that this one leads. An object that holds the events of
        others too stays as it is.
        """
        for row in self._rows:
            self._dynamodb.delete_item(TableName=row.table, Key=row.key)
        return list(self._remove_objects())

    def _stored(self, row: Row) -> object:
        answer = self._dynamodb.get_item(TableName=row.table, Key=row.key, ConsistentRead=True)
        return answer.get("Item")

    def _alert(self) -> AlertLine | None:
        wanted = Wanted(rule=RULE, since=self._batch.started_at - timedelta(minutes=1))
        found = list_alerts(
            self._dynamodb, self._alerts, wanted, _MAX_ALERTS, self._batch.started_at
        )
        return next((line for line in found.lines if line.source == self._batch.mark), None)

    def _remove_objects(self) -> Iterator[str]:
        for one in self._objects():
            own = [
                item.event_id in self._batch.event_ids for item in self._lake_reader().read_one(one)
            ]
            if all(own):
                self._s3.delete_object(Bucket=self._lake, Key=one.key)
            elif any(own):
                yield f"s3://{self._lake}/{one.key} has {sum(own)} events of the test beside others"

    def _lake_reader(self) -> Lake:
        return Lake(self._s3, self._lake)

    def _objects(self) -> Sequence[StoredObject]:
        """Return the objects that may hold the batch: per record, the last to begin before it."""
        start = self._batch.started_at
        objects = list_objects(self._s3, self._lake, start, start + MAX_LATENESS, PREFIX)
        near = (_nearest(objects, receipt) for receipt in self._receipts)
        return sorted({one for found in near for one in found})


def _nearest(objects: Iterable[StoredObject], receipt: Receipt) -> list[StoredObject]:
    before = [
        one
        for one in objects
        if one.shard_id == receipt.shard_id
        and one.first_sequence_number <= int(receipt.sequence_number)
    ]
    return sorted(before, key=lambda one: one.first_sequence_number)[-1:]
