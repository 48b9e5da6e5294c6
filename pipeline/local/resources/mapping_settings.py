"""Settings that event source mappings of streams and of queues have in common."""

from typing import Final

from pipeline.local.intrinsics import TemplateError
from pipeline.local.resources.handler import Properties
from pipeline.local.semantics.event_pattern import FilterSource, PatternError, compile_filter

_MAX_PATTERNS: Final = 10
_MAX_PATTERN_LENGTH: Final = 4096

NO_MEANING: Final = {
    "KmsKeyArn": "the filter is kept in memory",
    "LoggingConfig": "the local run writes no platform log",
    "MetricsConfig": "no metrics are collected",
    "Tags": "nothing is billed",
}
"""Properties of a mapping that change nothing on a laptop."""


def bounded(properties: Properties, name: str, default: int, bounds: tuple[int, int]) -> int:
    """Give a whole number within bounds.

    Raises:
        TemplateError: It is beyond them.
    """
    value = properties.number(name, default)
    low, high = bounds
    if not low <= value <= high:
        raise TemplateError(f"{properties.place}.{name}: {value} is not within {low} and {high}")
    return value


def reports_batch_item_failures(properties: Properties) -> bool:
    """Tell whether the function's answers name the items that failed.

    Raises:
        TemplateError: A response type that Lambda does not have.
    """
    types = properties.take("FunctionResponseTypes") or []
    if types not in ([], ["ReportBatchItemFailures"]):
        raise TemplateError(f"{properties.place}.FunctionResponseTypes: {types!r} is unknown")
    return bool(types)


def filter_patterns(properties: Properties, source: FilterSource) -> tuple[str, ...]:
    """Give the filter patterns, each checked as Lambda checks it.

    Raises:
        TemplateError: Lambda refuses one of them, or their number.
    """
    criteria = properties.take("FilterCriteria") or {}
    patterns = tuple(str(entry["Pattern"]) for entry in criteria.get("Filters") or [])
    place = f"{properties.place}.FilterCriteria"
    if len(patterns) > _MAX_PATTERNS:
        raise TemplateError(f"{place}: more than {_MAX_PATTERNS} patterns")
    for pattern in patterns:
        if len(pattern) > _MAX_PATTERN_LENGTH:
            raise TemplateError(f"{place}: a pattern is longer than {_MAX_PATTERN_LENGTH}")
        try:
            compile_filter(pattern, source)
        except PatternError as error:
            raise TemplateError(
                f"{place}: Invalid filter pattern definition. {error.reason}: {pattern}"
            ) from error
    return patterns
