"""What every rule has in common: identity, kind, and the texts for the people that it wakes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from pipeline.detection.anomaly import Anomaly, DetectorKind, Kind, Severity
from pipeline.detection.incidents import SEVERITIES, Step

RuleId = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
Text = Annotated[str, Meta(min_length=1, max_length=64)]
Sentence = Annotated[str, Meta(min_length=1, max_length=200)]
Steps = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=120)], ...], Meta(min_length=1, max_length=5)
]
Finite = Annotated[float, Meta(gt=-1e100, lt=1e100)]
Positive = Annotated[float, Meta(gt=0, lt=1e100)]


class RuleText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule tells the people that it wakes; `runbook` is a heading of docs/operations.md."""

    runbook: Text
    impact: Sentence
    next_steps: Steps


class Rule(RuleText, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every rule states about itself.

    `version` goes into the facts. A rule of kind `state` ends with a cleared fact, one of kind
    `event` after a quiet time. What a `staged` rule finds becomes facts and alerts, and nobody is
    told of them.
    """

    id: RuleId
    version: Annotated[int, Meta(ge=1)]
    kind: Kind
    detector: DetectorKind
    staged: bool = False

    def about(self, fact: Anomaly) -> RuleText:  # noqa: ARG002  for rules that tell facts apart
        """Return the texts that fit a fact of this rule best."""
        return self


def check_steps(above: float, severity: Severity, steps: Sequence[Step]) -> None:
    """Refuse steps that do not rise, from the first level on, in both level and severity."""
    rising = [Step(above, severity), *steps]
    for lower, upper in pairwise(rising):
        if upper.above <= lower.above:
            raise ValueError("`steps` must rise, each `above` the one before")
        if SEVERITIES.index(upper.severity) <= SEVERITIES.index(lower.severity):
            raise ValueError("`steps` must rise in severity")
