import pytest

from pipeline.flows.users.auditing import audit_row, mask_email, mask_phone
from tests.unit.detection.changes import change


def test_an_audit_row_shows_what_says_nothing_about_a_person_and_masks_the_rest() -> None:
    one = change(
        1,
        was={"name": "Mara Lind", "phone": "+41791234567", "status": "new", "password_hash": "x1"},
        now={"name": "Mara L.", "status": "active", "password_hash": "x2"},
    )
    changed = ("name", "password_hash", "phone", "shoe_size", "status")

    row = audit_row(
        type(one)(**{**{f: getattr(one, f) for f in one.__slots__}, "changed": changed})
    )

    assert row.changes == {
        "name": ("***", "***"),
        "password_hash": ("***", "***"),
        "phone": ("***67", ""),
        "shoe_size": ("***", "***"),
        "status": ("new", "active"),
    }


@pytest.mark.parametrize(
    ("email", "masked"),
    [("mara@example.com", "m***@example.com"), ("@example.com", "***@example.com")],
)
def test_an_address_keeps_its_first_character_and_its_domain(email: str, masked: str) -> None:
    assert mask_email(email) == masked


@pytest.mark.parametrize(("phone", "masked"), [("+41791234567", "***67"), ("1234", "***")])
def test_a_number_keeps_its_last_two_digits(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked
