"""The rows of ImagesTable: hash key `image_key`, range key `version`, by user in an index.

A row is created once and finished once, each under a condition, so neither a redelivery nor an
older event can take back what a newer one has written.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from pipeline.adapters.aws import service_errors
from pipeline.detection.anomaly import timestamp_text
from pipeline.flows.uploads.ports import Analysis, ImageRow, Label, Status, ThumbnailRow
from pipeline.images import HOSTILE, FailedImage, Failure, Image, ThumbnailJob, Upload

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from pipeline.adapters.dynamodb import Item

BY_USER: Final = "by_user"
_BETWEEN: Final = "user_id = :user AND uploaded_at BETWEEN :since AND :until"
_CONDITION_FAILED: Final = "ConditionalCheckFailedException"
MAX_FAILURES: Final = 1000
"""Most failures of a user that are read: more than any rule counts to."""


class DynamoImageStore:
    """`flows.uploads.ports.ImageStore` on DynamoDB.

    Args:
        client: Low-level DynamoDB client.
        table: ImagesTable.
        ttl_s: How long the row is kept of an image that was refused before it was labelled, or is
            gone; the others stay until the erasure of their user.
    """

    def __init__(self, client: "DynamoDBClient", table: str, ttl_s: int) -> None:
        self._client = client
        self._table = table
        self._ttl_s = ttl_s

    def find(self, image: Image) -> ImageRow | None:
        """Read an image's row consistently, None when there is none."""
        with service_errors("read an image's row"):
            items = self._client.query(
                TableName=self._table,
                KeyConditionExpression="image_key = :image_key AND version >= :version",
                ExpressionAttributeValues={
                    ":image_key": {"S": image.image_key},
                    ":version": {"S": image.version},
                },
                ConsistentRead=True,
                Limit=2,
            )["Items"]
        if not items or items[0]["version"]["S"] != image.version:
            return None
        return _row(items[0], is_newest=len(items) == 1)

    def keep_analysis(self, upload: Upload, analysis: Analysis) -> None:
        """Create the row of a labelled image; a row that exists stays as it is."""
        self._create(
            upload,
            {
                "status": {"S": "labelled"},
                "labels": {"L": [_label(label) for label in analysis.labels]},
                "unsafe": {"L": [_label(label) for label in analysis.unsafe]},
                "model": {"S": analysis.model},
            },
        )

    def refuse(self, upload: Upload, failure: Failure, detail: str) -> None:
        """Create the row of an image that is not looked at; a row that exists stays as it is."""
        self._create(upload, {"status": {"S": "refused"}, **self._failed(upload, failure, detail)})

    def finish(
        self,
        job: ThumbnailJob,
        status: Status,
        thumbnails: Sequence[ThumbnailRow] = (),
        failure: Failure | None = None,
        detail: str = "",
    ) -> bool:
        """Say what became of a labelled image; False, writing nothing, when its row is gone.

        The row of an image that is gone itself expires: an erasure may have passed before it.
        """
        image = job.image
        values: Item = {":labelled": {"S": "labelled"}, ":status": {"S": status}}
        changes = {"status": ":status"}
        if thumbnails:
            values[":thumbnails"] = {"L": [_thumbnail(row) for row in thumbnails]}
            changes["thumbnails"] = ":thumbnails"
        if failure is not None:
            values |= {":failure": {"S": failure}, ":detail": {"S": detail}}
            changes |= {"failure": ":failure", "detail": ":detail"}
        if failure == "gone":
            values[":expires_at"] = {"N": self._expires_at(job.uploaded_at)}
            changes["expires_at"] = ":expires_at"
        with service_errors("finish an image's row"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"image_key": {"S": image.image_key}, "version": {"S": image.version}},
                    UpdateExpression="SET "
                    + ", ".join(f"#{name} = {value}" for name, value in changes.items()),
                    ConditionExpression="#status IN (:labelled, :status)",
                    ExpressionAttributeNames={f"#{name}": name for name in changes},
                    ExpressionAttributeValues=values,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != _CONDITION_FAILED:
                    raise
                return False
        return True

    def failures(self, user_id: str, since: datetime, until: datetime) -> Sequence[FailedImage]:
        """Read a user's hostile images by time; the newest may still be missing."""
        found: list[FailedImage] = []
        more: Item = {}
        hostile = {f":{failure}": {"S": failure} for failure in sorted(HOSTILE)}
        while len(found) < MAX_FAILURES:
            with service_errors("read a user's failures"):
                answer = self._client.query(
                    TableName=self._table,
                    IndexName=BY_USER,
                    KeyConditionExpression=_BETWEEN,
                    FilterExpression=f"failure IN ({', '.join(hostile)})",
                    ExpressionAttributeValues={
                        ":user": {"S": user_id},
                        ":since": {"S": timestamp_text(since)},
                        ":until": {"S": timestamp_text(until)},
                        **hostile,
                    },
                    **more,
                )
            found += [_failed_image(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        return found

    def _create(self, upload: Upload, fields: "Item") -> None:
        image = upload.image
        item: Item = {
            "image_key": {"S": image.image_key},
            "version": {"S": image.version},
            "version_id": {"S": image.version_id},
            "job_id": {"S": image.job_id},
            "uploaded_at": {"S": timestamp_text(upload.uploaded_at)},
            "size_bytes": {"N": str(upload.size_bytes)},
            **fields,
        }
        if image.user_id:  # the index leaves out what belongs to nobody
            item["user_id"] = {"S": image.user_id}
        with service_errors("create an image's row"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(image_key)",
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != _CONDITION_FAILED:
                    raise

    def _failed(self, upload: Upload, failure: Failure, detail: str) -> "Item":
        return {
            "failure": {"S": failure},
            "detail": {"S": detail},
            "expires_at": {"N": self._expires_at(upload.uploaded_at)},
        }

    def _expires_at(self, uploaded_at: datetime) -> str:
        return str(int(uploaded_at.timestamp()) + self._ttl_s)


def _row(item: "Item", *, is_newest: bool) -> ImageRow:
    failure = item.get("failure", {}).get("S")
    fields: dict[str, Any] = {
        "status": item["status"]["S"],
        "uploaded_at": item["uploaded_at"]["S"],
        "failure": failure,
        "detail": item.get("detail", {}).get("S", ""),
        "unsafe": [_as_label(label["M"]) for label in item.get("unsafe", {}).get("L", [])],
        "is_newest": is_newest,
    }
    return msgspec.convert(fields, ImageRow)


def _failed_image(item: "Item") -> FailedImage:
    names = ("job_id", "user_id", "uploaded_at", "failure")
    return msgspec.convert({name: item[name]["S"] for name in names}, FailedImage)


def _label(label: Label) -> "Item":
    return {
        "M": {
            "name": {"S": label.name},
            "confidence": {"N": repr(label.confidence)},
            "parent": {"S": label.parent},
        }
    }


def _as_label(fields: "Item") -> list[Any]:
    return [fields["name"]["S"], float(fields["confidence"]["N"]), fields["parent"]["S"]]


def _thumbnail(row: ThumbnailRow) -> "Item":
    fields = msgspec.structs.asdict(row)
    return {
        "M": {
            name: {"S": value} if isinstance(value, str) else {"N": str(value)}
            for name, value in fields.items()
        }
    }
