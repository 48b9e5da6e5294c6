"""The objects of the content bucket: uploads and thumbnails."""

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipeline.adapters.aws import service_errors
from pipeline.images import Image, ImageRefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# MethodNotAllowed: the version is a delete marker. All need s3:ListBucket; without it S3 says
# AccessDenied for what does not exist. Source: Amazon S3 API Reference, GetObject.
_GONE: Final = frozenset({"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion"})

_CACHE: Final = "private, max-age=31536000, immutable"
"""A thumbnail's key names its version, so what lies there never changes."""


class ContentBucket:
    """`flows.uploads.ports.ImageObjects` on S3."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def read(self, image: Image, first_bytes: int | None = None) -> bytes:
        """Return an image's body, or as many of its first bytes.

        Raises:
            ImageRefusedError: The version is gone.
        """
        request: dict[str, Any] = {"Bucket": image.bucket, "Key": image.key}
        if image.version_id:
            request["VersionId"] = image.version_id
        if first_bytes is not None:
            request["Range"] = f"bytes=0-{first_bytes - 1}"
        with service_errors(f"read an image of {image.bucket}"):
            try:
                return self._client.get_object(**request)["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] not in _GONE:
                    raise
                raise ImageRefusedError("gone", "deleted before it was looked at") from error

    def write(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object; a repetition replaces it by the same."""
        with service_errors(f"write a thumbnail to {self._bucket}"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                CacheControl=_CACHE,
            )

    def delete(self, key: str) -> None:
        """Delete an object; one that does not exist is no error."""
        with service_errors(f"delete a thumbnail of {self._bucket}"):
            self._client.delete_object(Bucket=self._bucket, Key=key)
