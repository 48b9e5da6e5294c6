"""What a deployed template amounts to for the local run: functions and event source mappings."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function of the template, everything resolved.

    `handler` is the template's `module.name` string, loaded from `code_directory`.
    """

    logical_id: str
    name: str
    arn: str
    handler: str
    code_directory: Path
    environment: dict[str, str]
    timeout_s: int
    memory_mb: int
    role_arn: str
    reserved_concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """An event source mapping of the template with Lambda's defaults filled in.

    `source_arn` is a Kinesis stream's or a DynamoDB stream's ARN. `filters` are the JSON pattern
    texts. -1 means infinite where Lambda says so.
    """

    logical_id: str
    uuid: str
    function: str
    source_arn: str
    batch_size: int
    batching_window_s: int
    starting_position: str
    maximum_retry_attempts: int
    maximum_record_age_s: int
    bisect_on_error: bool
    report_batch_item_failures: bool
    filters: tuple[str, ...]
    on_failure_arn: str | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """A template as it stands on the endpoint.

    `functions` is keyed by logical id; `physical_ids` maps every created resource's logical id to
    what `Ref` gives; `unhandled` maps logical id to the resource type that the local run cannot do,
    `ignored_properties` to the properties of a created resource that have no effect locally though
    they might be missed. A mapping that is disabled in the template is not among `mappings`.
    """

    functions: dict[str, Function]
    mappings: tuple[EventSourceMapping, ...]
    physical_ids: dict[str, str]
    outputs: dict[str, str]
    unhandled: dict[str, str]
    ignored_properties: dict[str, tuple[str, ...]] = field(default_factory=dict)
