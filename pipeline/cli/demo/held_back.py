"""What was held back, as AlertsTable keeps the account of it: by window, each subject by name."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.cli.traffic.incidents import PlantedIncident

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LEDGER = "ledger#"
_SUBJECT = "subject#"
_OF_A_GROUP = " more of its group"


class HeldWindow(NamedTuple):
    """A window of the page budget or of a group.

    Of `held` messages `told` have been told of; the others are told when it `is_due`.
    """

    account: str
    held: int
    told: int
    is_due: bool
    rules: frozenset[str]
    subjects: frozenset[str]


def read_windows(dynamodb: "DynamoDBClient", table: str) -> Iterator[HeldWindow]:
    """Read back the windows that hold something."""
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        FilterExpression="begins_with(dedup_key, :ledger) AND attribute_exists(held)",
        ExpressionAttributeValues={":ledger": {"S": _LEDGER}},
    )
    for page in pages:
        for item in page["Items"]:
            yield HeldWindow(
                item["dedup_key"]["S"].removeprefix(_LEDGER),
                int(item["held"]["N"]),
                int(item.get("told", {"N": "0"})["N"]),
                "due_at" in item,
                frozenset(_named(item, "rule#")),
                frozenset(_named(item, _SUBJECT)),
            )


def is_accounted_for(
    incident: PlantedIncident, windows: Sequence[HeldWindow], told: Collection[tuple[str, int]]
) -> bool:
    """Tell whether what was held back of an incident has been told, or is due to be.

    Args:
        incident: One without a page of its own.
        windows: All that hold something.
        told: Reason and number of each message that stands for others.
    """
    subject = incident.dedup_key.partition("#")[2]
    return any(
        subject in window.subjects and incident.rule_id in window.rules
        for window in windows
        if _is_told(window, windows, told)
    )


def _is_told(
    window: HeldWindow, windows: Sequence[HeldWindow], told: Collection[tuple[str, int]]
) -> bool:
    if window.told < window.held and not window.is_due:
        return False
    if not window.told:
        return True
    if window.account.startswith("budget"):
        return ("storm_digest", window.told) in told
    if not window.account.startswith("group"):
        return False  # of ends
    # A member speaks for the others when the first one is over.
    if {("group", window.told), ("group", window.told - 1)} & set(told):
        return True
    return any(
        one.account.startswith("budget")
        and window.rules & one.rules
        and any(subject.endswith(_OF_A_GROUP) for subject in one.subjects)
        and _is_told(one, windows, told)
        for one in windows
    )


def _named(item: Collection[str], prefix: str) -> Iterator[str]:
    return (name.removeprefix(prefix) for name in item if name.startswith(prefix))
