"""What ImagesTable and the bucket hold of uploaded images, as producers look it up."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class ImageThumbnail(NamedTuple):
    """A thumbnail as the image's row tells it."""

    size: int
    key: str
    width: int
    height: int
    size_bytes: int
    content_type: str


class ImageState(NamedTuple):
    """The row of one version of an object; `labels` are names with their confidence in percent."""

    key: str
    version_id: str
    status: str
    failure: str
    detail: str
    labels: tuple[tuple[str, float], ...]
    unsafe: tuple[tuple[str, float], ...]
    thumbnails: tuple[ImageThumbnail, ...]

    @property
    def is_final(self) -> bool:
        """Whether nothing more becomes of the image."""
        return self.status != "labelled"

    @property
    def fate(self) -> str:
        """The failure of a refused image, else the status."""
        return self.failure or self.status


def read_images(dynamodb: "DynamoDBClient", table: str) -> Iterator[ImageState]:
    """Yield all rows."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for page in pages:
        for item in page["Items"]:
            yield _state(item)


def find_image(
    dynamodb: "DynamoDBClient", table: str, bucket: str, key: str, version_id: str
) -> ImageState | None:
    """Return the row of one version of an object, None as long as there is none.

    Without versions it is the newest row of the object, be it of an earlier upload.
    """
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        ConsistentRead=True,
        ScanIndexForward=False,
        KeyConditionExpression="image_key = :image_key",
        ExpressionAttributeValues={":image_key": {"S": f"{bucket}/{key}"}},
    )
    rows = (_state(item) for page in pages for item in page["Items"])
    return next((row for row in rows if row.version_id == version_id), None)


def _state(item: Mapping[str, Any]) -> ImageState:
    return ImageState(
        key=item["image_key"]["S"].partition("/")[2],
        version_id=item["version_id"]["S"],
        status=item["status"]["S"],
        failure=item.get("failure", {}).get("S", ""),
        detail=item.get("detail", {}).get("S", ""),
        labels=_labels(item.get("labels", {}).get("L", [])),
        unsafe=_labels(item.get("unsafe", {}).get("L", [])),
        thumbnails=tuple(
            _thumbnail(entry["M"]) for entry in item.get("thumbnails", {}).get("L", [])
        ),
    )


def _labels(entries: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, float], ...]:
    fields = (entry["M"] for entry in entries)
    return tuple((one["name"]["S"], float(one["confidence"]["N"])) for one in fields)


def _thumbnail(fields: Mapping[str, Any]) -> ImageThumbnail:
    return ImageThumbnail(
        size=int(fields["size"]["N"]),
        key=fields["key"]["S"],
        width=int(fields["width"]["N"]),
        height=int(fields["height"]["N"]),
        size_bytes=int(fields["size_bytes"]["N"]),
        content_type=fields["content_type"]["S"],
    )
