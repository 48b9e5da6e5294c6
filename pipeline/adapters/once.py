"""Effects that have no natural key, had once, through Powertools' idempotency."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.errors import RetryableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY_PREFIX: Final = "once"
"""In place of the function's name, so that a renamed function remembers."""


def persistence(client: "DynamoDBClient", table: str) -> DynamoDBPersistenceLayer:
    """Return the rows of what has been done: hash key `job_key`, a hash of the job's id."""
    return DynamoDBPersistenceLayer(
        table_name=table, key_attr="job_key", expiry_attr="expires_at", boto3_client=client
    )


class PowertoolsOnce:
    """`flows.onboarding.ports.Once` for one invocation.

    Args:
        layer: Where it is remembered.
        ttl_s: For how long.
        context: Bounds how long an effect whose invocation went down stays claimed.
    """

    def __init__(self, layer: DynamoDBPersistenceLayer, ttl_s: int, context: LambdaContext) -> None:
        self._layer = layer
        self._config = IdempotencyConfig(
            expires_after_seconds=ttl_s, hash_function="sha256", lambda_context=context
        )

    def do(self, key: str, effect: Callable[[], None]) -> bool:
        """Have the effect unless it was had under this key before, and return whether it was now.

        Raises:
            RetryableError: Another invocation is at it, or the table cannot be read or written.
        """
        had: list[str] = []

        def had_now(*, key: str) -> None:
            effect()
            had.append(key)

        once = idempotent_function(
            had_now,
            data_keyword_argument="key",
            persistence_store=self._layer,
            config=self._config,
            key_prefix=KEY_PREFIX,
        )
        try:
            once(key=key)
        except IdempotencyAlreadyInProgressError as error:
            raise RetryableError("another invocation is doing the same job") from error
        except (IdempotencyPersistenceLayerError, IdempotencyInconsistentStateError) as error:
            raise RetryableError(f"cannot remember a job: {type(error).__name__}") from error
        return bool(had)
