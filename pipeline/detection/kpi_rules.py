"""The rule about a day's figures."""

from typing import Annotated, Literal

from msgspec import Meta

from pipeline.detection.anomaly import Severity
from pipeline.detection.rule import Positive, Rule, Text


class KpiDrift(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day's figure is more than `open_above` deviations from the median of its history.

    History is what is known of the `history_days` before it: of the same weekday alone if that was
    seen `min_weeks` times, else of all days if these are at least `min_days`; with less nothing is
    judged. The deviation is the median one, scaled to a standard deviation, and never taken for
    less than `floor_of_median` of the median.
    """

    kind: Literal["event"]
    detector: Literal["baseline"]
    component: Text
    severity: Severity
    history_days: Annotated[int, Meta(ge=7, le=400)]
    min_days: Annotated[int, Meta(ge=3)]
    min_weeks: Annotated[int, Meta(ge=3)]
    open_above: Positive
    floor_of_median: Positive
