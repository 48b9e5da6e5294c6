"""What the pipeline reports about itself, as rule data; the modules named here say when."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pipeline.detection.anomaly import Severity
from pipeline.detection.incidents import Step
from pipeline.detection.rule import Rule, Text, check_steps

Share = Annotated[float, Meta(gt=0, le=1)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]


class HealthRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pipeline itself is in trouble; see health.py, drift.py for `pipeline_schema_drift`."""

    kind: Literal["event"]
    detector: Literal["health"]
    component: Text
    severity: Severity


class RefusedRecords(HealthRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many records break the contract.

    Attributes:
        count: So many of one batch, or of `window_s`, are many ...
        batch_share: ... if they are such a part of the batch ...
        window_share: ... or such a part of the window.
        window_s: Length of the windows of arrival in which records are counted.
    """

    count: Annotated[int, Meta(ge=1)]
    batch_share: Share
    window_share: Share
    window_s: Seconds


class StandingRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something about the pipeline that is wrong until it is right again; see standing.py."""

    kind: Literal["state"]
    detector: Literal["health"]
    component: Text
    severity: Severity


class SilentSource(StandingRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source or producer that used to report regularly says nothing any more; see silence.py.

    Attributes:
        silent_s: The shortest silence that counts.
        factor: Multiple of the source's own usual longest pause that counts.
        beats: Minutes with a sign of life until a source counts as regular.
        forget_s: After so long a silence the source is taken to be gone.
        steps: Severities by silence, in seconds.
    """

    silent_s: Seconds
    factor: Annotated[float, Meta(ge=1, le=100)]
    beats: Annotated[int, Meta(ge=1, le=200)]
    forget_s: Seconds
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse steps that do not rise, and a source forgotten before it is missed."""
        if self.forget_s <= self.silent_s:
            raise ValueError("`forget_s` must be above `silent_s`")
        check_steps(self.silent_s, self.severity, self.steps)


class FlowBehind(StandingRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events wait for long; levels are seconds since the oldest one that waits has arrived."""

    above_s: Seconds
    clear_below_s: Seconds
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse levels that contradict each other."""
        if self.clear_below_s >= self.above_s:
            raise ValueError("`clear_below_s` must be less than `above_s`")
        check_steps(self.above_s, self.severity, self.steps)


class DeadLetters(StandingRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dead-letter queue has more messages than `above`."""

    above: Annotated[int, Meta(ge=0)]
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse steps that do not rise."""
        check_steps(self.above, self.severity, self.steps)


class HealthRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the pipeline reports about itself."""

    pipeline_record_defect: HealthRule
    pipeline_refused_records: RefusedRecords
    pipeline_stray_key: HealthRule
    pipeline_poison_record: HealthRule
    pipeline_fact_defect: HealthRule
    pipeline_user_refused: HealthRule
    pipeline_query_failed: HealthRule
    storm_digest: HealthRule
    pipeline_schema_drift: HealthRule
    pipeline_silent_source: SilentSource
    pipeline_behind: FlowBehind
    pipeline_dead_letters: DeadLetters
    pipeline_rules_invalid: StandingRule

    def __post_init__(self) -> None:
        """Refuse a rule whose id is not the name of its table, so ids are unique."""
        check_ids(self)


def rules_in(table: msgspec.Struct) -> dict[str, Rule]:
    """Return the rules among the fields of a table of rules, by name."""
    fields = {name: getattr(table, name) for name in table.__struct_fields__}
    return {name: rule for name, rule in fields.items() if isinstance(rule, Rule)}


def check_ids(table: msgspec.Struct) -> None:
    """Refuse a rule whose id is not the name of its field."""
    for name, rule in rules_in(table).items():
        if rule.id != name:
            raise ValueError(f"`{name}.id` must be `{name}`")
