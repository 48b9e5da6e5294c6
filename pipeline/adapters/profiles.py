"""Users, to be read, and their profiles, on DynamoDB."""

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipeline.adapters.aws import service_errors
from pipeline.adapters.user_records import decode_user
from pipeline.detection.anomaly import timestamp_text
from pipeline.errors import RetryableError
from pipeline.flows.onboarding.ports import Profile, SetUp
from pipeline.flows.users.ports import Removal
from pipeline.ports import RemainingTime
from pipeline.users import User

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_IS_NEWER: Final = "attribute_not_exists(registration) OR registration < :registration"
_FAILED: Final = "ConditionalCheckFailed"


class DynamoUsers:
    """`flows.onboarding.ports.Users` on UsersTable, hash key `user_id`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def find(self, user_id: str) -> User | None:
        """Read a user consistently, None if there is none."""
        with service_errors("read a user"):
            answer = self._client.get_item(
                TableName=self._table, Key={"user_id": {"S": user_id}}, ConsistentRead=True
            )
        item = answer.get("Item")
        return None if item is None else decode_user(item)


class DynamoProfiles:
    """`flows.onboarding.ports.Profiles` on ProfilesTable, hash key `user_id`."""

    def __init__(self, client: "DynamoDBClient", table: str, users_table: str) -> None:
        self._client = client
        self._table = table
        self._users_table = users_table

    def set_up(self, profile: Profile) -> SetUp:
        """Write the profile unless one of this or a later registration is there, or no user is.

        The user is checked in the same transaction: a profile cannot slip in after his erasure.
        Checking writes nothing, so UsersTable's stream tells nothing of it.
        """
        user = {"user_id": {"S": profile.user_id}}
        exists: Any = {
            "TableName": self._users_table,
            "Key": user,
            "ConditionExpression": "attribute_exists(user_id)",
        }
        put: Any = {
            "TableName": self._table,
            "Item": _item(profile),
            "ConditionExpression": _IS_NEWER,
            "ExpressionAttributeValues": {":registration": {"S": profile.registration}},
        }
        with service_errors("set up a profile"):
            try:
                self._client.transact_write_items(
                    TransactItems=[{"ConditionCheck": exists}, {"Put": put}]
                )
            except ClientError as error:
                reasons = _reasons(error)
                if reasons[:1] == [_FAILED]:
                    return "gone"
                if reasons[1:] == [_FAILED]:
                    return "known"
                raise
        return "set up"


class ProfileContent:
    """`flows.users.ports.UserContent`: the profile of a user."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def erase(self, removal: Removal, remaining_s: RemainingTime) -> bool:
        """Erase the profile, but for one of a registration after the removal."""
        if remaining_s() <= 0:
            raise RetryableError("cannot erase a profile: the time is up")
        with service_errors("erase a profile"):
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key={"user_id": {"S": removal.user_id}},
                    ConditionExpression=_IS_NEWER,
                    ExpressionAttributeValues={":registration": {"S": removal.sequence}},
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
        return True


def _reasons(error: ClientError) -> list[str]:
    response: Any = error.response
    return [reason.get("Code", "None") for reason in response.get("CancellationReasons", [])]


def _item(profile: Profile) -> dict[str, Any]:
    texts = {
        "user_id": profile.user_id,
        "registration": profile.registration,
        "signed_up_at": timestamp_text(profile.signed_up_at),
        "display_name": profile.display_name,
        "locale": profile.locale,
    }
    return {name: {"S": text} for name, text in texts.items() if text}
