"""An Athena endpoint on the loopback interface that runs the SQL over the local bucket.

It speaks the service's protocol, states, limits and error codes, so boto3 cannot tell the
difference. sqlglot turns the SQL into DuckDB's, and DuckDB runs it over copies of the objects.
docs/analytics.md says what differs from AWS.
"""

import time
from collections.abc import Callable
from typing import Any

from pipeline.local.athena.errors import RequestRefusedError
from pipeline.local.athena.service import Athena, OnStateChange
from pipeline.local.json_service import JsonService


def _nobody(_: dict[str, Any]) -> None:
    """Take an event that nobody waits for."""


class AthenaEndpoint(JsonService):
    """The endpoint, as a context manager; safe to call from many clients at once.

    Args:
        s3: boto3's client of the S3 that holds the tables and takes the results.
        glue: boto3's client of the data catalog.
        account_id: For events.
        region: For events.
        on_state_change: Takes each state change as EventBridge's event, on a query's thread.
        clock: The time of day in epoch seconds.
    """

    def __init__(
        self,
        s3: Any,  # noqa: ANN401  boto3 clients have no common type
        glue: Any,  # noqa: ANN401  boto3 clients have no common type
        *,
        account_id: str = "123456789012",
        region: str = "us-east-1",
        on_state_change: OnStateChange = _nobody,
        clock: Callable[[], float] = time.time,  # noqa: TID251  the clock is given here
    ) -> None:
        super().__init__(self._answered)
        self._athena = Athena(
            s3,
            glue,
            clock,
            account_id=account_id,
            region=region,
            on_state_change=on_state_change,
        )

    @property
    def activity(self) -> tuple[int, int]:
        """How many queries were started, and how many of them have not ended and been told."""
        return self._athena.activity

    def stop(self) -> None:
        """Stop answering and cancel what runs; the port is free afterwards."""
        super().stop()
        self._athena.stop()

    def _answered(self, operation: str, request: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401  any JSON
        try:
            return 200, self._athena.answer(operation, request)
        except RequestRefusedError as error:
            answer = {"__type": error.code, "Message": str(error)}
            if error.athena_code:
                answer["AthenaErrorCode"] = error.athena_code
            return 400, answer
        except (KeyError, TypeError, ValueError) as error:
            return 400, {"__type": "InvalidRequestException", "Message": repr(error)}
