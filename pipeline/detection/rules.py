"""What is worth an alert: the rules as data, loaded from TOML and checked before use."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta

from pipeline.detection.account_rules import (
    AccountTakeover,
    MassDeletion,
    SignUpsFromAddress,
    SignUpsOfDomain,
)
from pipeline.detection.alerting import Alerting, Timers
from pipeline.detection.anomaly import Anomaly, Severity
from pipeline.detection.baseline import BaselineKnobs
from pipeline.detection.health_rules import HealthRule, HealthRules, check_ids, rules_in
from pipeline.detection.image_rules import HostileImages, UnsafeContent
from pipeline.detection.incidents import Pace, Step
from pipeline.detection.kpi_rules import KpiDrift
from pipeline.detection.page_test import PageTest
from pipeline.detection.rule import (
    Finite,
    Positive,
    Rule,
    RuleText,
    Sentence,
    Steps,
    Text,
    check_steps,
)
from pipeline.detection.user_rules import (
    FailedLogins,
    FraudScore,
    ImpossibleTravel,
    TransactionAmount,
    TransactionVelocity,
    Vocabulary,
)
from pipeline.errors import PipelineError
from pipeline.events import SystemMetric

__all__ = [
    "HealthRule",
    "HealthRules",
    "Limit",
    "MetricBaseline",
    "Rule",
    "RuleText",
    "Rules",
    "RulesError",
    "StaticLimit",
    "default_rules",
    "load_rules",
]


class RulesError(PipelineError):
    """The rules cannot be used; the message names rule and field."""


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
        check_steps(self.above, self.severity, self.steps)

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
    """A metric is unlike its own past.

    `open_above` and `clear_below` are heights above the usual maximum of a block, in spreads of
    those maxima; each alarm raises them by `habit`, which fades within `habit_s`. `steps` are in
    deviations. For `quiet_s` after an opening nothing else opens.
    """

    kind: Literal["state"]
    detector: Literal["baseline"]
    component: Text
    severity: Severity
    open_above: Positive
    clear_below: Positive
    habit: Annotated[float, Meta(ge=0, le=10)]
    habit_s: Positive
    quiet_s: Annotated[float, Meta(ge=0, lt=1e100)]
    pace: Pace
    knobs: BaselineKnobs
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse levels that contradict each other."""
        if self.clear_below >= self.open_above:
            raise ValueError("`clear_below` must be less than `open_above`")
        check_steps(0.0, self.severity, self.steps)


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every rule of the pipeline."""

    static_limit: StaticLimit
    metric_baseline: MetricBaseline
    vocabulary: Vocabulary
    transaction_amount: TransactionAmount
    transaction_velocity: TransactionVelocity
    transaction_fraud_score: FraudScore
    impossible_travel: ImpossibleTravel
    failed_login_user: FailedLogins
    failed_login_address: FailedLogins
    account_takeover: AccountTakeover
    mass_deletion: MassDeletion
    signup_domain: SignUpsOfDomain
    signup_address: SignUpsFromAddress
    unsafe_content: UnsafeContent
    hostile_images: HostileImages
    kpi_drift: KpiDrift
    page_test: PageTest
    health: HealthRules
    alerting: Alerting

    def __post_init__(self) -> None:
        """Refuse a rule whose id is not the name of its table, so ids are unique."""
        check_ids(self)
        if self.health.storm_digest.staged:
            raise ValueError("`storm_digest` cannot be staged: it tells what else was held back")
        unknown = self.alerting.named() - {rule.id for rule in self.all()}
        if unknown:
            raise ValueError(f"`alerting` names no rule of these: {', '.join(sorted(unknown))}")

    def all(self) -> tuple[Rule, ...]:
        """Return the rules in the order of their fields."""
        return (*rules_in(self).values(), *rules_in(self.health).values())

    def texts(self) -> Mapping[str, Rule]:
        """Return by rule id what each rule tells people; `about` fits it to a fact."""
        return {rule.id: rule for rule in self.all()}

    def timers(self, rule_id: str) -> Timers:
        """Return when alerts of a rule, known or not, are told again and when they are over."""
        return self.alerting.timers(self.texts().get(rule_id))


@lru_cache(maxsize=2)  # nobody can change them, and reading takes a hundredth of a second
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
