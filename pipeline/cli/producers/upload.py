"""`streamwarden upload`: images into ContentBucket, and what came of each."""

import mimetypes
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.cli.finite import FiniteRange
from pipeline.cli.producers.destination import NotPutError
from pipeline.cli.producers.image_rows import ImageState, find_image
from pipeline.cli.stack import reading, stack_option
from pipeline.images import UPLOADS_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_LOOK_AGAIN_S: Final = 0.2
_SHOWN_LABELS: Final = 5
_UNKNOWN_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that is in the bucket; `version_id` is empty where the bucket has no versions."""

    path: Path
    key: str
    version_id: str


class Uploader:
    """Puts files and looks after them.

    Args:
        s3: Client of the bucket's service.
        dynamodb: Client of the table's service.
        bucket: ContentBucket.
        table: ImagesTable.
        clock: Seconds that only go up.
        pause: Waits a number of seconds.
    """

    def __init__(
        self,
        s3: "S3Client",
        dynamodb: "DynamoDBClient",
        bucket: str,
        table: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._s3 = s3
        self._dynamodb = dynamodb
        self._bucket = bucket
        self._table = table
        self._clock = clock
        self._pause = pause

    def put(self, path: Path, user_id: str) -> UploadedFile:
        """Put a file under its user's folder, with the content type that its name says."""
        key = f"{UPLOADS_PREFIX}{user_id}/{path.name}"
        answer = self._s3.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=path.read_bytes(),
            ContentType=mimetypes.guess_type(path.name)[0] or _UNKNOWN_TYPE,
        )
        return UploadedFile(path, key, answer.get("VersionId", ""))

    def follow(
        self, files: Sequence[UploadedFile], timeout_s: float
    ) -> Iterator[tuple[UploadedFile, ImageState | None]]:
        """Yield each file once its image is done, or as it is when the time is up."""
        deadline = self._clock() + timeout_s
        left = list(files)
        while left:
            is_late = self._clock() >= deadline
            for file in list(left):
                state = find_image(
                    self._dynamodb, self._table, self._bucket, file.key, file.version_id
                )
                if is_late or (state and state.is_final):
                    left.remove(file)
                    yield file, state
            if left:
                self._pause(_LOOK_AGAIN_S)


@click.command("upload")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--user", "user_id", default="me", show_default=True, help="Whose images they are.")
@click.option("--wait", is_flag=True, help="Wait for each image and say what came of it.")
@click.option(
    "--timeout",
    "timeout_s",
    type=FiniteRange(min=0),
    default=60,
    show_default=True,
    help="Seconds to wait for all of them.",
)
@stack_option
def upload(
    files: tuple[Path, ...], user_id: str, timeout_s: float, stack_name: str | None, *, wait: bool
) -> None:
    """Put FILES into ContentBucket as uploads/USER/NAME.

    Exit code 0: all put, and with --wait all done, whether labelled or refused; 1: some were not
    done in time; 2: wrong usage; 3: the bucket did not take a file.
    """
    if not user_id or "/" in user_id:
        raise click.UsageError(f"--user {user_id!r} is no user id: it must not have a slash")
    with reading(stack_name) as stack:
        uploader = Uploader(
            stack.client("s3"),
            stack.client("dynamodb"),
            stack.output("ContentBucketName"),
            stack.output("ImagesTableName"),
        )
        uploaded = [_put(uploader, path, user_id) for path in files]
        if not wait:
            return
        late = 0
        for file, state in uploader.follow(uploaded, timeout_s):
            late += state is None or not state.is_final
            for line in told(file, state):
                click.echo(line)
    if late:
        raise SystemExit(1)


def told(file: UploadedFile, state: ImageState | None) -> Iterator[str]:
    """Yield what came of a file, in lines for people."""
    if state is None:
        yield f"{file.key}: nothing yet"
        return
    detail = f", {state.failure}: {state.detail}" if state.failure else ""
    yield f"{file.key}: {state.status}{detail}"
    if state.labels:
        labels = (f"{name} {share:.0f} %" for name, share in state.labels[:_SHOWN_LABELS])
        yield f"  labels      {', '.join(labels)}"
    if state.unsafe:
        labels = (f"{name} {share:.0f} %" for name, share in state.unsafe)
        yield f"  unsafe      {', '.join(labels)}"
    for one in state.thumbnails:
        yield f"  thumbnail   {one.width} x {one.height}, {one.size_bytes:,} bytes, {one.key}"


def _put(uploader: Uploader, path: Path, user_id: str) -> UploadedFile:
    try:
        file = uploader.put(path, user_id)
    except (BotoCoreError, ClientError, OSError) as error:
        raise NotPutError(f"cannot upload {path}: {error}") from error
    click.echo(f"put {file.key}", err=True)
    return file
