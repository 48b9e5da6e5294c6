from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.image_content import ImageContent
from pipeline.flows.users.ports import Removal
from tests.fakes.image_account import create_content

REMOVAL = Removal("u-1", "0" * 40)


class Account(NamedTuple):
    """A bucket with versions, and a table of images."""

    s3: Any
    dynamodb: Any

    def content(self) -> ImageContent:
        return ImageContent(self.s3, self.dynamodb, "content", "images")

    def objects(self) -> list[str]:
        page = self.s3.list_object_versions(Bucket="content")
        return sorted(
            {one["Key"] for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]}
        )

    def rows(self) -> list[str]:
        return sorted(
            one["image_key"]["S"] for one in self.dynamodb.scan(TableName="images")["Items"]
        )


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        session: Any = boto3.Session("test", "test", region_name="us-east-1")
        account = Account(session.client("s3"), session.client("dynamodb"))
        create_content(account.s3, account.dynamodb)
        yield account


def put(account: Account, user: str, name: str) -> None:
    key = f"uploads/{user}/{name}"
    account.s3.put_object(Bucket="content", Key=key, Body=b"image")
    account.s3.put_object(Bucket="content", Key=f"thumbnails/{user}/{name}/1/128.jpg", Body=b"t")
    account.dynamodb.put_item(
        TableName="images",
        Item={
            "image_key": {"S": f"content/{key}"},
            "version": {"S": "1#"},
            "user_id": {"S": user},
            "uploaded_at": {"S": "2026-11-21"},
        },
    )


def test_uploads_thumbnails_and_rows_go_with_all_versions(account: Account) -> None:
    put(account, "u-1", "a.jpg")
    put(account, "u-1", "a.jpg")
    put(account, "u-1", "b/c.jpg")
    account.s3.delete_object(Bucket="content", Key="uploads/u-1/a.jpg")

    is_done = account.content().erase(REMOVAL, lambda: 30.0)

    assert is_done
    assert account.objects() == []
    assert account.rows() == []


def test_the_images_of_others_stay_those_with_a_longer_id_as_well(account: Account) -> None:
    put(account, "u-1", "a.jpg")
    put(account, "u-10", "a.jpg")

    account.content().erase(REMOVAL, lambda: 30.0)

    assert account.objects() == ["thumbnails/u-10/a.jpg/1/128.jpg", "uploads/u-10/a.jpg"]
    assert account.rows() == ["content/uploads/u-10/a.jpg"]


def test_an_erasure_that_runs_out_of_time_goes_on_at_the_next_call(account: Account) -> None:
    for number in range(3):
        put(account, "u-1", f"{number}.jpg")
    ticks = count(4, -1)

    first = account.content().erase(REMOVAL, lambda: float(next(ticks)))
    left = account.objects()
    second = account.content().erase(REMOVAL, lambda: 30.0)

    assert (first, second) == (False, True)
    assert all(key.startswith("thumbnails/") for key in left)
    assert (account.objects(), account.rows()) == ([], [])


def test_an_erasure_can_be_repeated(account: Account) -> None:
    put(account, "u-1", "a.jpg")
    account.content().erase(REMOVAL, lambda: 30.0)

    is_done = account.content().erase(REMOVAL, lambda: 30.0)

    assert is_done


def test_a_user_id_with_a_slash_owns_no_folder_of_another(account: Account) -> None:
    put(account, "u-1", "a/b.jpg")

    is_done = account.content().erase(REMOVAL._replace(user_id="u-1/a"), lambda: 30.0)

    assert is_done
    assert len(account.rows()) == 1
    assert "uploads/u-1/a/b.jpg" in account.objects()
