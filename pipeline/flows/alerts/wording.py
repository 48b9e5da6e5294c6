"""Sentences about an alert: what happened, and what is new since people last heard of it."""

import re
from datetime import timedelta
from typing import Final

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.texts import quantity
from pipeline.flows.alerts.notification import Notification
from pipeline.flows.alerts.occasion import Deployment, Occasion
from pipeline.flows.alerts.texts import duration_text

_MAX_NAMES: Final = 3


def summary_text(fact: Anomaly, occasion: Occasion, title: str) -> str:
    """Return one sentence: what, how much against what, within which time, how often, since when.

    The title says where.
    """
    since = f"since {occasion.starts_at:%H:%M:%S} UTC on {occasion.starts_at:%Y-%m-%d}"
    times = "once" if occasion.count == 1 else f"{occasion.count:,} times"
    observed = f"{quantity(fact.observed, fact.unit)} observed"
    if occasion.ends_at:
        lasted = duration_text(occasion.ends_at - occasion.starts_at)
        return f"{title}: {observed}, over after {lasted}, {since}, {times}."
    expected = f" against {fact.expected} expected" if fact.expected else ""
    return f"{title}: {observed}{expected}{window_text(fact)}, {times}, {since}."


def change_text(occasion: Occasion) -> str:
    """Return what is new, or why it is over; empty for a first page and a cleared fact."""
    match occasion.reason:
        case "severity":
            before = f" from {occasion.told_severity}" if occasion.told_severity else ""
            return f"severity has risen{before} to {occasion.severity}"
        case "count":
            told = f", {occasion.told_count:,} when last told" if occasion.told_count else ""
            return f"{occasion.count:,} times by now{told}"
        case "repeat":
            return f"still firing after {duration_text(occasion.notified_at - occasion.starts_at)}"
        case "group":
            return _joined(occasion)
        case "acknowledged":
            return f"taken over by {occasion.actor or 'somebody'}{_note(occasion)}"
        case "resolved":
            return _ended(occasion)
        case _:
            return ""


def window_text(told: Anomaly | Notification) -> str:
    """Return the window that was looked at, empty when there is none or `expected` names it."""
    if not told.window_s:
        return ""
    window = f" within {duration_text(timedelta(seconds=told.window_s))}"
    return "" if told.expected.endswith(window) else window


def unknown_rule_text(fact: Anomaly, where: Deployment) -> str:
    """Return what stands in place of the impact when the code does not know the rule."""
    return (
        f"unknown: this version of {where.service} has no rule {fact.rule_id} "
        f"(version {fact.rule_version}), so impact, next steps and runbook are missing here"
    )


def runbook_address(heading: str, where: Deployment) -> str:
    """Return the address of a section of the runbook; the anchor is as GitHub makes it."""
    anchor = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
    return f"{where.runbook_url}#{anchor}"


def _joined(occasion: Occasion) -> str:
    what = "over by now:" if occasion.are_over else "joined by"
    names = occasion.members[:_MAX_NAMES]
    joined = max(occasion.member_count - 1, len(occasion.members))
    if not names:
        return f"{what} {joined:,} more"
    shown = ", ".join(names)
    others = f" and {joined - len(names):,} more" if joined > len(names) else ""
    return f"{what} {shown}{others}"


def _ended(occasion: Occasion) -> str:
    match occasion.ended_by:
        case "hand":
            return f"resolved by hand by {occasion.actor or 'somebody'}{_note(occasion)}"
        case "quiet":
            quiet = duration_text(occasion.notified_at - occasion.last_seen_at)
            return f"nothing more of it for {quiet}"
        case _:
            return ""


def _note(occasion: Occasion) -> str:
    return f": {occasion.note}" if occasion.note else ""
