"""What people have asked not to hear of: silences and maintenance windows, pure.

A silence hides notifications, never alerts: the row of a hidden alert is kept, and an alert that
still fires when its silence ends is told then.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import tzdata  # type: ignore[import-untyped]  # noqa: F401  where a host has no zones, zoneinfo reads these
from msgspec import Meta

from pipeline.detection.anomaly import Anomaly, Severity

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Pattern = Annotated[str, Meta(min_length=1, max_length=256)]


class Matcher(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which alerts; each field that is given must fit, and at least one must be given.

    Texts are shell patterns (`web-*`), upper and lower case apart. `labels` are those of the fact,
    such as `metric_name`.
    """

    rule: Pattern | None = None
    subject: Pattern | None = None
    source: Pattern | None = None
    severities: tuple[Severity, ...] = ()
    labels: dict[Name, Pattern] = {}

    def __post_init__(self) -> None:
        """Refuse a matcher that would hide everything because nothing was given."""
        if not (self.rule or self.subject or self.source or self.severities or self.labels):
            raise ValueError("give at least one of rule, subject, source, severity and label")

    def fits(self, fact: Anomaly, severity: Severity) -> bool:
        """Tell whether an alert is meant: its newest fact, and the severity it has reached."""
        texts = (
            (self.rule, fact.rule_id),
            (self.subject, fact.subject),
            (self.source, fact.source),
        )
        return (
            all(pattern is None or fnmatchcase(text, pattern) for pattern, text in texts)
            and (not self.severities or severity in self.severities)
            and all(
                fnmatchcase(fact.labels.get(name, ""), pattern)
                for name, pattern in self.labels.items()
            )
        )


class Weekly(msgspec.Struct, frozen=True, kw_only=True):
    """A maintenance window that comes again each week.

    `begins` is wall-clock time (HH:MM) in `timezone`, an IANA name. The window lasts `minutes`,
    at most a day, on each of `days`; an hour that the change to summer time skips or repeats
    moves its beginning, never its length.
    """

    days: Annotated[tuple[Weekday, ...], Meta(min_length=1, max_length=7)]
    begins: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    minutes: Annotated[int, Meta(ge=1, le=1440)]
    timezone: Name

    def __post_init__(self) -> None:
        """Refuse a time zone that this machine does not know."""
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {self.timezone!r}") from error

    def until(self, now: datetime) -> datetime | None:
        """Return the end of the window that is open now, None while none is."""
        zone = ZoneInfo(self.timezone)
        today = now.astimezone(zone).date()
        for day in (today, today - timedelta(days=1)):  # yesterday's may reach past midnight
            if WEEKDAYS[day.weekday()] not in self.days:
                continue
            begin = datetime.combine(day, time.fromisoformat(self.begins), zone).astimezone(UTC)
            end = begin + timedelta(minutes=self.minutes)
            if begin <= now < end:
                return end
        return None


class Silence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A silence, or with `weekly` a maintenance window.

    It holds from `starts_at` to before `ends_at`; within these a recurring window only while it
    is open. Every silence ends: one without an end is a rule to be changed.
    """

    silence_id: Name
    owner: Name
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    matcher: Matcher
    weekly: Weekly | None = None

    def __post_init__(self) -> None:
        """Refuse a silence that never holds."""
        if self.ends_at <= self.starts_at:
            raise ValueError("a silence must end after it starts")

    def until(self, now: datetime) -> datetime | None:
        """Return until when it holds without a break, None when it does not hold now."""
        if not self.starts_at <= now < self.ends_at:
            return None
        if self.weekly is None:
            return self.ends_at
        end = self.weekly.until(now)
        return end and min(end, self.ends_at)


class SilenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A silence as it is stored, and how many notifications it has hidden, and when the last."""

    silence: Silence
    hidden: int = 0
    last_hidden_at: datetime | None = None


def silenced_by(
    silences: Iterable[Silence], fact: Anomaly, severity: Severity, now: datetime
) -> Silence | None:
    """Return the silence that hides an alert now and for the longest, None when none does."""
    holding = [
        (until, silence)
        for silence in silences
        if (until := silence.until(now)) and silence.matcher.fits(fact, severity)
    ]
    return max(holding, key=lambda pair: pair[0])[1] if holding else None
