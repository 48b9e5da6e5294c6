"""How alerts live, as rule data: timers, the page budget, groups, and what makes what needless."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pipeline.detection.anomaly import Anomaly, Severity
from pipeline.detection.incidents import SEVERITIES
from pipeline.detection.rule import Rule, RuleId

Seconds = Annotated[float, Meta(gt=0, le=2_592_000)]
Label = Annotated[str, Meta(min_length=1, max_length=64)]


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many notifications each topic gets within a window; a digest tells of the others."""

    notifications: Annotated[int, Meta(ge=1, le=1000)]
    window_s: Seconds


class Timers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an alert of a rule is told again and when it is over.

    Attributes:
        repeat_s: After so long without a word an alert that still fires is told again.
        quiet_s: An alert of kind event is over after so long without news; an event that comes
            late belongs to an alert that was over for no longer.
        group_by: Labels whose values, with rule and severity, name the alert's group, or
            `component` for all alerts of the rule; empty for an alert that stands alone.
    """

    repeat_s: Seconds
    quiet_s: Seconds
    group_by: tuple[Label, ...] = ()

    def group(self, fact: Anomaly, severity: Severity) -> str:
        """Return the name of an alert's group, empty for one that stands alone."""
        if not self.group_by:
            return ""
        named = {"component": fact.component} | fact.labels
        values = (named.get(name, "") for name in self.group_by)
        return " ".join((fact.rule_id, severity, *values))


class Override(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a rule differs from the default timers."""

    repeat_s: Seconds | None = None
    quiet_s: Seconds | None = None
    group_by: tuple[Label, ...] = ()


class Inhibition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """While an alert of one rule fires, alerts of another that it explains are not told.

    Attributes:
        by: Rules whose alert explains others.
        of: Rules whose alerts are then not told.
        same: What both must share: the subject (a series), or only the source.
        from_severity: Only an alert at least this severe explains others.
        below: Whether only less severe alerts are explained.
    """

    by: tuple[RuleId, ...]
    of: tuple[RuleId, ...]
    same: Literal["subject", "source"]
    from_severity: Severity = "info"
    below: bool = False

    def explains(self, cause: "Firing", fact: Anomaly, severity: Severity) -> bool:
        """Tell whether an alert that fires makes the notification of another needless."""
        if cause.rule_id not in self.by or fact.rule_id not in self.of:
            return False
        if (cause.rule_id, cause.subject) == (fact.rule_id, fact.subject):
            return False  # nothing explains itself
        height = SEVERITIES.index(cause.severity)
        return (
            cause.source == fact.source
            and (self.same == "source" or cause.subject == fact.subject)
            and height >= SEVERITIES.index(self.from_severity)
            and (not self.below or height > SEVERITIES.index(severity))
        )


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that fires, as far as inhibition looks at it."""

    rule_id: str
    subject: str
    source: str
    severity: Severity


class Alerting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `alerting` of the rules.

    Attributes:
        repeat_s: `Timers.repeat_s` of every rule without its own.
        quiet_s: `Timers.quiet_s` of every rule without its own; a rule of kind event that states a
            `quiet_s` for its incidents has that one.
        recheck_s: How often a hidden alert is looked at, whether it still is.
        group_s: A group gets one page at once, and one for all that follows within such a window.
        budget: What a storm may cost.
        rules: Overrides by rule id.
        inhibitions: What makes what needless.
    """

    repeat_s: Seconds
    quiet_s: Seconds
    recheck_s: Seconds
    group_s: Seconds
    budget: Budget
    rules: dict[RuleId, Override] = {}
    inhibitions: tuple[Inhibition, ...] = ()

    def timers(self, rule: Rule | None) -> Timers:
        """Return the timers of a rule, of None those of a rule that is not known any more."""
        own = self.rules.get(rule.id, Override()) if rule else Override()
        stated = getattr(rule, "quiet_s", None) if rule and rule.kind == "event" else None
        return Timers(
            repeat_s=own.repeat_s or self.repeat_s,
            quiet_s=own.quiet_s or stated or self.quiet_s,
            group_by=own.group_by,
        )

    def explained(self, fact: Anomaly) -> bool:
        """Tell whether any inhibition is about facts of this rule, whatever fires."""
        return any(fact.rule_id in one.of for one in self.inhibitions)

    def named(self) -> frozenset[str]:
        """Return every rule id that the section names."""
        ids = (*self.rules, *(name for one in self.inhibitions for name in (*one.by, *one.of)))
        return frozenset(ids)
