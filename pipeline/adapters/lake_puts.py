"""Objects of the lake and of quarantine, as the flows write them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pipeline.adapters.aws import service_errors
from pipeline.ports import LakeObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def put_calls(
    s3: "S3Client", bucket: str, objects: Sequence[LakeObject]
) -> list[Callable[[], None]]:
    """Return a call per object that writes it; a repetition replaces it by the same."""
    return [partial(_put, s3, bucket, item) for item in objects]


def _put(s3: "S3Client", bucket: str, item: LakeObject) -> None:
    with service_errors(f"put {item.key}"):
        s3.put_object(Bucket=bucket, Key=item.key, Body=item.body, ContentType="application/gzip")
