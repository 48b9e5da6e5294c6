"""What each rule would say of one event, and why not."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pipeline.cli.lake.events import LakeEvent
from pipeline.cli.rules.shadow import Detection
from pipeline.detection.detector import detectors, pooled_detectors
from pipeline.detection.rules import Rules
from pipeline.detection.user_facts import span_text
from pipeline.detection.user_rules import FailedLogins, TransactionVelocity
from pipeline.events import Event, SystemMetric, Transaction

RULES_OF: Final = {
    "metric": ("static_limit", "metric_baseline"),
    "payment": ("transaction_amount", "transaction_velocity"),
    "travel": ("impossible_travel",),
    "login_user": ("failed_login_user",),
    "login_address": ("failed_login_address",),
    "fraud_card": ("transaction_fraud_score",),
    "page_test": ("page_test",),
}
"""The rules that each detector of the stream judges by."""


class Verdict(NamedTuple):
    """What a rule says of an event that is the first of its subject."""

    rule_id: str
    subject: str
    verdict: str
    reason: str


def explain(item: LakeEvent, rules: Rules) -> list[Verdict]:
    """Judge an event by every rule of the stream, as the first event of its subject.

    A rule that needs a past says what it would take; a staged one says that nobody hears of it.
    """
    facts = {one.rule_id: one for one in Detection(rules).facts([item])}
    texts = rules.texts()
    verdicts = []
    for name, subject in _readers(item.event, rules):
        for rule_id in RULES_OF[name]:
            staged = ", staged: nobody hears of it" if texts[rule_id].staged else ""
            if subject is None:
                verdicts.append(Verdict(rule_id, "", "not read", _not_read(name)))
            elif rule_id in facts:
                fact = facts[rule_id]
                said = f"{fact.edge} {fact.severity}{staged}"
                reason = "; ".join((fact.title, *fact.reasons))
                verdicts.append(Verdict(rule_id, subject, said, reason))
            else:
                why = _why_not(rule_id, item.event, rules)
                verdicts.append(Verdict(rule_id, subject, f"nothing{staged}", why))
    return verdicts


def _readers(event: Event, rules: Rules) -> Iterator[tuple[str, str | None]]:
    every: tuple[Any, ...] = (*detectors(rules), *pooled_detectors(rules))
    for detector in every:
        yield detector.name, detector.subject(event)


def _not_read(name: str) -> str:
    return {
        "metric": "it reads system_metric events",
        "payment": "it reads transactions that spend: an amount from 0 on, a status that pays",
        "travel": "it reads sign-ins and payments with a position",
        "login_user": "it reads user_activity whose type is among vocabulary.sign_in_failed",
        "login_address": "it reads failed sign-ins that have an ip_address",
        "fraud_card": "it reads transactions and fraud reports",
        "page_test": "it reads the metric of streamwarden page-test",
    }[name]


def _why_not(rule_id: str, event: Event, rules: Rules) -> str:
    if rule_id == "static_limit" and isinstance(event, SystemMetric):
        return _no_limit_broken(event, rules)
    if rule_id == "transaction_amount" and isinstance(event, Transaction):
        limit = rules.transaction_amount.limit(event.currency)
        return f"{event.amount} is not above {limit:,.10g} {event.currency}"
    if rule_id == "transaction_fraud_score":
        return _no_score(event, rules)
    rule = rules.texts()[rule_id]
    if isinstance(rule, FailedLogins | TransactionVelocity):
        spans = (f"more than {one.count} within {span_text(one.span_s)}" for one in rule.windows)
        return f"one event of its subject; it takes {' or '.join(spans)}"
    if rule_id == "impossible_travel":
        travel = rules.impossible_travel
        return (
            "the first position of its user; it takes a second one, "
            f"over {travel.beyond_km:g} km away and faster than {travel.above_km_h:g} km/h"
        )
    return "it has no past to compare with yet"


def _no_score(event: Event, rules: Rules) -> str:
    rule = rules.transaction_fraud_score
    if not isinstance(event, Transaction):
        return "a report only teaches it"
    return (
        f"it has no past to compare with yet; it takes {rule.min_reports} frauds reported "
        f"and a score above {rule.above:g}"
    )


def _no_limit_broken(event: SystemMetric, rules: Rules) -> str:
    limit = next(
        (one for one in rules.static_limit.limits if one.metric == event.metric_name), None
    )
    if limit is None:
        return f"no limit for {event.metric_name}"
    factor = limit.factor(event)
    if factor is None:
        return f"the unit {event.unit} is not among those of the limit: {', '.join(limit.units)}"
    value = event.value * factor
    if value > limit.above:
        needed = limit.pace.open_points
        return f"{value:g} is above {limit.above:g}, and it takes {needed} points in a row"
    return f"{value:g} {limit.unit} is not above {limit.above:g} {limit.unit}"
