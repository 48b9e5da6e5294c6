"""Athena's state changes, as EventBridge delivers them."""

from collections.abc import Mapping
from typing import Any

from pipeline.errors import InvalidRecordError


def ended_query(event: Mapping[str, Any]) -> str:
    """Return the id of the query that an event is about.

    Its state is not taken from the event: events come late, twice and in no order, so whoever wants
    to know asks Athena.

    Raises:
        InvalidRecordError: It is no state change of a query.
    """
    try:
        if event["detail-type"] == "Athena Query State Change":
            return str(event["detail"]["queryExecutionId"])
    except (KeyError, TypeError) as error:
        raise InvalidRecordError(f"not a state change of a query: {error!r}") from error
    raise InvalidRecordError(f"{event['detail-type']!r} is not a state change of a query")
