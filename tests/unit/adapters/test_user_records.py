from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.adapters.user_records import decode_user, user_record
from pipeline.errors import InvalidRecordError
from pipeline.users import User
from tests.golden_events import golden

INSERTED, MODIFIED, REMOVED, EXPIRED = range(4)


def test_an_insert_becomes_a_change_with_the_new_user() -> None:
    change = user_record(golden("dynamodb_users")[INSERTED]).read()

    assert change.change_id == "c4ca4238a0b923820dcc509a6f75849b"
    assert change.sequence == "0000000000004421584500000000017450439091"
    assert change.timestamp == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert change.before is None
    assert change.after == User(
        user_id="u-1001",
        email="mara.lind@example.com",
        name="Mara Lind",
        phone="+41791234567",
        password_hash="$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaDE",
        status="active",
        locale="de-CH",
        signup_ip="203.0.113.7",
    )
    assert (change.changed, change.by_ttl) == ((), False)


def test_a_modification_names_what_differs() -> None:
    change = user_record(golden("dynamodb_users")[MODIFIED]).read()

    assert change.changed == ("email", "logins", "password_hash", "status")
    assert change.before is not None
    assert change.before.email == "mara.lind@example.com"


def test_a_removal_by_dynamodb_is_told_from_one_by_somebody() -> None:
    removed, expired = (user_record(golden("dynamodb_users")[n]).read() for n in (REMOVED, EXPIRED))

    assert (removed.by_ttl, expired.by_ttl) == (False, True)


def test_a_service_that_is_not_dynamodb_removes_as_somebody() -> None:
    event = golden("dynamodb_users")[EXPIRED]
    event["userIdentity"]["principalId"] = "lambda.amazonaws.com"

    assert user_record(event).read().by_ttl is False


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"Keys": {}}, "$.dynamodb.Keys.user_id"),
        ({"Keys": {"user_id": {"N": "1"}}}, "$.dynamodb.Keys.user_id"),
        ({"NewImage": None}, "$.dynamodb"),
        ({"OldImage": None}, "$.dynamodb"),
        (
            {"NewImage": {"user_id": {"S": "u"}, "email": {"BOOL": True}}},
            "$.dynamodb.NewImage.email",
        ),
        ({"NewImage": {"user_id": {"S": "u"}}}, "$"),
    ],
)
def test_a_poison_image_is_refused_with_its_place(change: dict[str, Any], path: str) -> None:
    event = golden("dynamodb_users")[MODIFIED]
    event["dynamodb"] |= change

    with pytest.raises(InvalidRecordError) as caught:
        user_record(event).read()

    assert caught.value.path == path


def test_a_row_that_is_mended_is_a_change_from_nothing_known() -> None:
    event = golden("dynamodb_users")[MODIFIED]
    event["dynamodb"]["OldImage"]["email"] = {"N": "1"}

    change = user_record(event).read()

    assert change.before is None
    assert "email" in change.changed


def test_an_attribute_that_is_null_counts_as_absent() -> None:
    user = decode_user(
        {"user_id": {"S": "u1"}, "email": {"S": "a@example.com"}, "phone": {"NULL": True}}
    )

    assert user == User(user_id="u1", email="a@example.com")
