"""What a deployed template amounts to for the local run: functions and what invokes them."""

from collections.abc import Mapping
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
    texts. -1 means infinite where Lambda says so. `starting_timestamp`, in epoch seconds, belongs
    to the position AT_TIMESTAMP. A tumbling window of 0 is none.
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
    starting_timestamp: float | None = None
    parallelization_factor: int = 1
    tumbling_window_s: int = 0


@dataclass(frozen=True, slots=True)
class QueueMapping:
    """An event source mapping of an SQS queue with Lambda's defaults filled in.

    `visibility_timeout_s` is the queue's; `filters` are the JSON pattern texts.
    """

    logical_id: str
    uuid: str
    function: str
    source_arn: str
    queue_url: str
    visibility_timeout_s: int
    batch_size: int
    batching_window_s: int
    maximum_concurrency: int | None
    report_batch_item_failures: bool
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AsyncConfig:
    """How a function is invoked asynchronously: an EventInvokeConfig and its dead-letter queue."""

    maximum_retry_attempts: int = 2
    maximum_event_age_s: int = 21_600
    on_success_arn: str | None = None
    on_failure_arn: str | None = None
    dead_letter_arn: str | None = None


@dataclass(frozen=True, slots=True)
class BucketNotification:
    """One configuration of a bucket's notifications; `bucket` is its name, not its logical id.

    `events` are as in `s3:ObjectCreated:*`. The target is a function, a queue or a topic.
    """

    logical_id: str
    bucket: str
    configuration_id: str
    events: tuple[str, ...]
    prefix: str
    suffix: str
    target_arn: str


@dataclass(frozen=True, slots=True)
class InputTransformer:
    """What a rule's target gets in place of the event: paths into the event by name, a template."""

    paths: Mapping[str, str]
    template: str


@dataclass(frozen=True, slots=True)
class EventTarget:
    """Where a rule or a schedule sends its events.

    At most one of `constant_input`, `input_path` and `transformer` is set; without any the target
    gets the event. `group_id` is for FIFO queues.
    """

    arn: str
    constant_input: str | None = None
    input_path: str | None = None
    transformer: InputTransformer | None = None
    group_id: str | None = None
    dead_letter_arn: str | None = None


@dataclass(frozen=True, slots=True)
class EventRule:
    """A rule of an event bus: it has a pattern, a schedule or both."""

    logical_id: str
    name: str
    arn: str
    bus: str
    pattern: str | None
    schedule: str | None
    targets: tuple[EventTarget, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of EventBridge Scheduler; bounds in epoch seconds."""

    logical_id: str
    arn: str
    expression: str
    timezone: str
    starts_at: float | None
    ends_at: float | None
    target: EventTarget


@dataclass(frozen=True, slots=True)
class EventRoutes:
    """How events come to functions, queues and topics other than by event source mappings.

    `async_configs` is keyed by the function's logical id, `subscribed_functions` are the ARNs of
    functions that topics tell. A rule or schedule that is disabled in the template is in none of
    the lists. Which buckets tell the default bus of their objects is the endpoint's to say.
    """

    async_configs: dict[str, AsyncConfig] = field(default_factory=dict)
    notifications: list[BucketNotification] = field(default_factory=list)
    subscribed_functions: set[str] = field(default_factory=set)
    rules: list[EventRule] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)

    @property
    def scheduled(self) -> list[str]:
        """Logical ids of the schedules, and of the rules that have one, in order."""
        rules = (rule.logical_id for rule in self.rules if rule.schedule is not None)
        return sorted([*rules, *(schedule.logical_id for schedule in self.schedules)])


@dataclass(frozen=True, slots=True)
class Deployment:
    """A template as it stands on the endpoint.

    `functions` is keyed by logical id; `physical_ids` maps every created resource's logical id to
    what `Ref` gives; `unhandled` maps logical id to the resource type that the local run cannot do,
    `ignored_properties` to the properties of a created resource that have no effect locally though
    they might be missed. A mapping that is disabled in the template is not among `mappings` and
    `queue_mappings`.
    """

    functions: dict[str, Function]
    mappings: tuple[EventSourceMapping, ...]
    physical_ids: dict[str, str]
    outputs: dict[str, str]
    unhandled: dict[str, str]
    ignored_properties: dict[str, tuple[str, ...]] = field(default_factory=dict)
    queue_mappings: tuple[QueueMapping, ...] = ()
    routes: EventRoutes = field(default_factory=EventRoutes)
