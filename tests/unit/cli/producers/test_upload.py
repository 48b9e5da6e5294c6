from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from pipeline.cli.producers.image_rows import ImageState, ImageThumbnail
from pipeline.cli.producers.upload import UploadedFile, Uploader, told, upload

FILE = UploadedFile(Path("x.jpg"), "uploads/ada/x.jpg", "v1")


class Account:
    """Bucket and table, and a clock that only pauses move."""

    def __init__(self) -> None:
        session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
        self.s3, self.dynamodb = session.client("s3"), session.client("dynamodb")
        self.s3.create_bucket(Bucket="content")
        self.s3.put_bucket_versioning(
            Bucket="content", VersioningConfiguration={"Status": "Enabled"}
        )
        keys = ("image_key", "version")
        self.dynamodb.create_table(
            TableName="images",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": key, "KeyType": role}
                for key, role in zip(keys, ("HASH", "RANGE"), strict=True)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        )
        self.now = 0.0
        self.uploader = Uploader(
            self.s3,
            self.dynamodb,
            "content",
            "images",
            clock=lambda: self.now,
            pause=self.pause,
        )

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def put_row(self, file: UploadedFile, status: str) -> None:
        item = {
            "image_key": f"content/{file.key}",
            "version": f"0001#{file.version_id}",
            "version_id": file.version_id,
            "status": status,
        }
        self.dynamodb.put_item(
            TableName="images", Item={name: {"S": text} for name, text in item.items()}
        )


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        yield Account()


def test_a_file_lies_under_its_user_with_its_content_type(account: Account, tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(b"12345")

    file = account.uploader.put(path, "ada")

    found = account.s3.get_object(Bucket="content", Key="uploads/ada/logo.png")
    assert file == UploadedFile(path, "uploads/ada/logo.png", found["VersionId"])
    assert (found["ContentType"], found["Body"].read()) == ("image/png", b"12345")


def test_an_image_is_told_once_it_is_done(account: Account) -> None:
    account.put_row(FILE, "ready")

    ((file, state),) = account.uploader.follow([FILE], 10)

    assert (file, state and state.status) == (FILE, "ready")
    assert account.now == 0


def test_an_image_in_a_bucket_without_versions_is_told_by_the_newest_row(
    account: Account, tmp_path: Path
) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(b"12345")
    account.s3.create_bucket(Bucket="product-pictures")
    uploader = Uploader(account.s3, account.dynamodb, "product-pictures", "images")
    item = {"image_key": "product-pictures/uploads/ada/x.jpg", "version_id": ""}
    for version, status in (("0001#", "superseded"), ("0002#", "ready")):
        row = {**item, "version": version, "status": status}
        account.dynamodb.put_item(
            TableName="images", Item={name: {"S": text} for name, text in row.items()}
        )

    file = uploader.put(path, "ada")
    ((_, state),) = uploader.follow([file], 10)

    assert file.version_id == ""
    assert state is not None
    assert state.status == "ready"


def test_an_image_that_waits_is_told_when_the_time_is_up(account: Account) -> None:
    account.put_row(FILE, "labelled")
    other = UploadedFile(Path("y.jpg"), "uploads/ada/y.jpg", "v2")

    found = {file.key: state for file, state in account.uploader.follow([FILE, other], 1)}

    waiting = found["uploads/ada/x.jpg"]
    assert waiting is not None
    assert waiting.status == "labelled"
    assert found["uploads/ada/y.jpg"] is None
    assert account.now >= 1


def test_what_came_of_an_image_is_told_in_words() -> None:
    thumbnail = ImageThumbnail(128, "thumbnails/ada/x.jpg/1/128.jpg", 128, 96, 1234, "image/jpeg")
    ready = ImageState(
        FILE.key, "v1", "ready", "", "", (("Dominant colour: blue", 95.3),), (), (thumbnail,)
    )
    refused = ImageState(FILE.key, "v1", "refused", "empty", "0 bytes", (), (), ())

    assert list(told(FILE, ready)) == [
        "uploads/ada/x.jpg: ready",
        "  labels      Dominant colour: blue 95 %",
        "  thumbnail   128 x 96, 1,234 bytes, thumbnails/ada/x.jpg/1/128.jpg",
    ]
    assert list(told(FILE, refused)) == ["uploads/ada/x.jpg: refused, empty: 0 bytes"]
    assert list(told(FILE, None)) == ["uploads/ada/x.jpg: nothing yet"]


def test_a_user_with_a_slash_is_a_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(b"1")

    result = CliRunner().invoke(upload, [str(path), "--user", "a/b"])

    assert result.exit_code == 2
    assert "is no user id" in result.stderr
