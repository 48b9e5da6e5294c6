"""UsersTable as a product writes it: one item per user, whole."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.cli.traffic.people import PutUser, UserAction

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class NotWrittenError(Exception):
    """The table cannot be reached or refused a change."""


class UserTable:
    """Writes changes of users, one after the other, so that each user's stay in their order."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def write(self, actions: Iterable[UserAction]) -> Iterator[UserAction]:
        """Write changes in the order given and yield each that is in the table.

        Raises:
            NotWrittenError: The table refused a change; what was yielded before is written.
        """
        for action in actions:
            try:
                self._write(action)
            except (BotoCoreError, ClientError) as error:
                message = f"cannot write {action.user_id} to {self._table}: {error}"
                raise NotWrittenError(message) from error
            yield action

    def _write(self, action: UserAction) -> None:
        if isinstance(action, PutUser):
            item = {name: {"S": text} for name, text in action.user.items()}
            self._dynamodb.put_item(TableName=self._table, Item=item)
        else:
            self._dynamodb.delete_item(
                TableName=self._table, Key={"user_id": {"S": action.user_id}}
            )
