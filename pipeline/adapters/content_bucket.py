"""The objects of the content bucket: uploads and thumbnails."""

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipeline.adapters.aws import service_errors
from pipeline.errors import RetryableError
from pipeline.images import MAX_OBJECT_BYTES, Image, ImageRefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# MethodNotAllowed: the version is a delete marker. All need s3:ListBucket; without it S3 says
# AccessDenied for what does not exist. Source: Amazon S3 API Reference, GetObject.
_GONE: Final = frozenset({"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion"})

_PAGE: Final = 1000
"""Most versions of one request. Source: Amazon S3 API Reference, DeleteObjects."""

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
            ImageRefusedError: The version is gone, or too large, which the answer's header tells:
                where there are no versions it may be another object than the one reported.
        """
        request: dict[str, Any] = {"Bucket": image.bucket, "Key": image.key}
        if image.version_id:
            request["VersionId"] = image.version_id
        if first_bytes is not None:
            request["Range"] = f"bytes=0-{first_bytes - 1}"
        with service_errors(f"read an image of {image.bucket}"):
            try:
                answer = self._client.get_object(**request)
                if first_bytes is None and answer["ContentLength"] > MAX_OBJECT_BYTES:
                    answer["Body"].close()
                    detail = f"{answer['ContentLength']} bytes, the limit is {MAX_OBJECT_BYTES}"
                    raise ImageRefusedError("too_large", detail)
                return answer["Body"].read()
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

    def erase(self, folder: str) -> None:
        """Erase every version of every object under a folder; nothing there is no error."""
        while erase_page(self._client, self._bucket, folder):
            pass


def erase_page(client: "S3Client", bucket: str, folder: str) -> bool:
    """Erase versions and delete markers under a folder, at most 1,000; False if there was none."""
    with service_errors("list a user's objects"):
        page = client.list_object_versions(Bucket=bucket, Prefix=folder, MaxKeys=_PAGE)
    found: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    if not found:
        return False
    objects: Any = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
    with service_errors("erase a user's objects"):
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    if errors := answer.get("Errors"):
        raise RetryableError(f"cannot erase a user's objects: {errors[0]['Code']}")
    return True
