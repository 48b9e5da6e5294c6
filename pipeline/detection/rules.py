"""What is worth an alert: the rules as data, loaded from TOML and checked before use."""

from collections.abc import Mapping
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta

from pipeline.detection.anomaly import Anomaly, DetectorKind, Kind, Severity
from pipeline.detection.baseline import BaselineKnobs
from pipeline.detection.incidents import SEVERITIES, Pace, Step
from pipeline.errors import PipelineError
from pipeline.events import SystemMetric

RuleId = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
Text = Annotated[str, Meta(min_length=1, max_length=64)]
Sentence = Annotated[str, Meta(min_length=1, max_length=200)]
Steps = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=120)], ...], Meta(min_length=1, max_length=5)
]
Finite = Annotated[float, Meta(gt=-1e100, lt=1e100)]
Positive = Annotated[float, Meta(gt=0, lt=1e100)]


class RulesError(PipelineError):
    """The rules cannot be used; the message names rule and field."""


class RuleText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule tells the people that it wakes; `runbook` is a heading of docs/operations.md."""

    runbook: Text
    impact: Sentence
    next_steps: Steps


class Rule(RuleText, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every rule states about itself.

    `version` goes into the facts. A rule of kind `state` ends with a cleared fact, one of kind
    `event` after a quiet time.
    """

    id: RuleId
    version: Annotated[int, Meta(ge=1)]
    kind: Kind
    detector: DetectorKind

    def about(self, fact: Anomaly) -> RuleText:  # noqa: ARG002  for rules that tell facts apart
        """Return the texts that fit a fact of this rule best."""
        return self


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limit of one metric, in `unit`.

    `units` says which units of a point are understood, in lower case, and what makes `unit` of
    them. A point without a unit is taken to be in `unit`; one in another unit is not judged.
    """

    metric: Annotated[str, Meta(min_length=1, max_length=128)]
    component: Text
    severity: Severity
    above: Finite
    clear_below: Finite
    unit: Annotated[str, Meta(max_length=32)]
    units: dict[str, Positive]
    pace: Pace
    impact: Sentence
    next_steps: Steps
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a limit that could never clear or escalate."""
        if self.clear_below >= self.above:
            raise ValueError("`clear_below` must be less than `above`")
        if any(unit != unit.lower() for unit in self.units):
            raise ValueError("`units` must be in lower case")
        _check_steps(self.above, self.severity, self.steps)

    def factor(self, event: SystemMetric) -> float | None:
        """Return what makes `unit` of the point's own unit, None for a unit not understood."""
        return 1.0 if event.unit is UNSET else self.units.get(event.unit.lower())


class StaticLimit(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric is above a limit that holds for every source.

    Each limit has texts of its own; the rule's are for facts whose limit is gone from the rules.
    """

    kind: Literal["state"]
    detector: Literal["threshold"]
    limits: tuple[Limit, ...]

    def __post_init__(self) -> None:
        """Refuse two limits for one metric."""
        metrics = [limit.metric for limit in self.limits]
        if len(set(metrics)) < len(metrics):
            raise ValueError("`limits` names a metric twice")

    def about(self, fact: Anomaly) -> RuleText:
        """Return the texts of the limit that the fact is about."""
        for limit in self.limits:
            if limit.metric == fact.labels.get("metric_name"):
                return RuleText(
                    runbook=self.runbook, impact=limit.impact, next_steps=limit.next_steps
                )
        return self


class MetricBaseline(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric is far from what its own past has taught; levels in standard deviations."""

    kind: Literal["state"]
    detector: Literal["baseline"]
    component: Text
    severity: Severity
    open_above: Positive
    clear_below: Positive
    peak_rate: Annotated[float, Meta(gt=0, le=1)]
    peak_margin: Annotated[float, Meta(ge=1, le=10)]
    peak_memory_s: Positive
    quiet_s: Annotated[float, Meta(ge=0, lt=1e100)]
    pace: Pace
    knobs: BaselineKnobs
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse levels that contradict each other."""
        if self.clear_below >= self.open_above:
            raise ValueError("`clear_below` must be less than `open_above`")
        _check_steps(self.open_above, self.severity, self.steps)


class HealthRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pipeline itself is in trouble."""

    kind: Literal["event"]
    detector: Literal["health"]
    component: Text
    severity: Severity


class HealthRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the pipeline reports about itself; health.py says when."""

    pipeline_record_defect: HealthRule
    pipeline_stray_key: HealthRule
    pipeline_poison_record: HealthRule
    pipeline_fact_defect: HealthRule

    def __post_init__(self) -> None:
        """Refuse a rule whose id is not the name of its table, so ids are unique."""
        _check_ids(self)


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every rule of the pipeline."""

    static_limit: StaticLimit
    metric_baseline: MetricBaseline
    health: HealthRules

    def __post_init__(self) -> None:
        """Refuse a rule whose id is not the name of its table, so ids are unique."""
        _check_ids(self)

    def all(self) -> tuple[Rule, ...]:
        """Return the rules in the order of their fields."""
        return (*_rules_in(self).values(), *_rules_in(self.health).values())

    def texts(self) -> Mapping[str, Rule]:
        """Return by rule id what each rule tells people; `about` fits it to a fact."""
        return {rule.id: rule for rule in self.all()}


def load_rules(toml: str) -> Rules:
    """Read and check rules.

    Raises:
        RulesError: Not TOML, or a field is missing, unknown or has no usable value.
    """
    try:
        return msgspec.toml.decode(toml, type=Rules)
    except msgspec.DecodeError as error:
        raise RulesError(f"rules: {error}") from error


def default_rules() -> Rules:
    """Read the rules that are packaged with the code."""
    return load_rules(files("pipeline.detection").joinpath("rules.toml").read_text("utf-8"))


def _rules_in(table: Rules | HealthRules) -> dict[str, Rule]:
    fields = {name: getattr(table, name) for name in table.__struct_fields__}
    return {name: rule for name, rule in fields.items() if isinstance(rule, Rule)}


def _check_ids(table: Rules | HealthRules) -> None:
    for name, rule in _rules_in(table).items():
        if rule.id != name:
            raise ValueError(f"`{name}.id` must be `{name}`")


def _check_steps(above: float, severity: Severity, steps: tuple[Step, ...]) -> None:
    rising = [Step(above, severity), *steps]
    for lower, upper in pairwise(rising):
        if upper.above <= lower.above:
            raise ValueError("`steps` must rise, each `above` the one before")
        if SEVERITIES.index(upper.severity) <= SEVERITIES.index(lower.severity):
            raise ValueError("`steps` must rise in severity")
