"""The images of one user, to be erased with him: objects, thumbnails and rows."""

from typing import TYPE_CHECKING, Final

from pipeline.adapters.aws import service_errors
from pipeline.adapters.content_bucket import erase_page
from pipeline.adapters.image_table import BY_USER
from pipeline.flows.thumbnails.keys import thumbnails_of
from pipeline.flows.users.ports import Removal
from pipeline.images import UPLOADS_PREFIX
from pipeline.ports import RemainingTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

PAGE: Final = 1000
"""Rows that one query looks for."""


class ImageContent:
    """`flows.users.ports.UserContent`: every version of his objects, and his rows in ImagesTable.

    What is erased is not listed again, so a further call goes on where one has stopped. Rows go
    last: while an object is there its row says so. An image whose row is gone gets no thumbnail.
    """

    def __init__(self, s3: "S3Client", dynamodb: "DynamoDBClient", bucket: str, table: str) -> None:
        self._s3 = s3
        self._dynamodb = dynamodb
        self._bucket = bucket
        self._table = table

    def erase(self, removal: Removal, remaining_s: RemainingTime) -> bool:
        """Erase uploads, then thumbnails, then rows, as far as the time allows."""
        if "/" in removal.user_id:  # no folder can be his: `uploads/<user_id>/` ends at the first
            return True
        folders = (f"{UPLOADS_PREFIX}{removal.user_id}/", thumbnails_of(removal.user_id))
        return all(self._erase_folder(folder, remaining_s) for folder in folders) and (
            self._erase_rows(removal.user_id, remaining_s)
        )

    def _erase_folder(self, folder: str, remaining_s: RemainingTime) -> bool:
        while remaining_s() > 0:
            if not erase_page(self._s3, self._bucket, folder):
                return True
        return False

    def _erase_rows(self, user_id: str, remaining_s: RemainingTime) -> bool:
        while remaining_s() > 0:
            with service_errors("find a user's images"):
                items = self._dynamodb.query(
                    TableName=self._table,
                    IndexName=BY_USER,
                    KeyConditionExpression="user_id = :user_id",
                    ExpressionAttributeValues={":user_id": {"S": user_id}},
                    ProjectionExpression="image_key, version",
                    Limit=PAGE,
                )["Items"]
            if not items:
                return True
            for item in items:
                if remaining_s() <= 0:
                    return False
                key = {"image_key": item["image_key"], "version": item["version"]}
                with service_errors("erase a user's image"):
                    self._dynamodb.delete_item(TableName=self._table, Key=key)
        return False
