"""An event source mapping for tests that say only what they are about."""

from dataclasses import replace
from typing import Any, Final

from pipeline.local.deployment import EventSourceMapping

STREAM_ARN: Final = "arn:aws:kinesis:eu-central-1:123456789012:stream/events"
TABLE_STREAM_ARN: Final = (
    "arn:aws:dynamodb:eu-central-1:123456789012:table/users/stream/2026-01-02T03:04:05.678"
)
ROLE_ARN: Final = "arn:aws:iam::123456789012:role/reader"

_MAPPING: Final = EventSourceMapping(
    logical_id="Events",
    uuid="6a0e9c7e-0000-4000-8000-000000000001",
    function="Reader",
    source_arn=STREAM_ARN,
    batch_size=10,
    batching_window_s=0,
    starting_position="TRIM_HORIZON",
    maximum_retry_attempts=-1,
    maximum_record_age_s=-1,
    bisect_on_error=False,
    report_batch_item_failures=True,
    filters=(),
    on_failure_arn=None,
)


def a_mapping(**changes: Any) -> EventSourceMapping:  # noqa: ANN401  any field
    return replace(_MAPPING, **changes)
