"""Audit rows: who changed is known, when and which attribute too; what it said, only its shape."""

from typing import Any, Final

from msgspec import UNSET

from pipeline.flows.users.ports import AuditRow
from pipeline.users import User, UserChange

SHOWN: Final = frozenset({"locale", "status"})
"""Attributes that say nothing about a person; every other one is masked."""

NOTHING: Final = ""
MASKED: Final = "***"


def audit_row(change: UserChange) -> AuditRow:
    """Return the audit row of a change; the same change gives the same row."""
    changes = {
        name: (_shown(change.before, name), _shown(change.after, name)) for name in change.changed
    }
    return AuditRow(change.user_id, change.timestamp, change.change_id, changes)


def mask_email(text: str) -> str:
    """Keep the first character and the domain: enough to tell two providers apart."""
    name, _, domain = text.rpartition("@")
    return f"{name[:1]}***@{domain}"


def mask_phone(text: str) -> str:
    """Keep the last two digits."""
    return f"***{text[-2:]}" if len(text) > 4 else MASKED


def _shown(user: User | None, name: str) -> str:
    value: Any = getattr(user, name, None) if name in User.__struct_fields__ else MASKED
    if value is None or value is UNSET or value == "":
        return NOTHING
    if name in SHOWN:
        return str(value)
    if name == "email":
        return mask_email(str(value))
    if name == "phone":
        return mask_phone(str(value))
    return MASKED
