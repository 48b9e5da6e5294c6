"""Routes what happened to whom it concerns: bucket notifications, rules, schedules."""

import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.deployment import EventRoutes, EventRule, EventTarget, Schedule
from pipeline.local.semantics.bus_event import (
    DEFAULT_BUS,
    custom_event,
    schedule_input,
    scheduled_event,
    target_input,
)
from pipeline.local.semantics.event_pattern import Matcher, compile_pattern, parse_json
from pipeline.local.semantics.s3_event import (
    NotificationFilter,
    ObjectChange,
    bus_event,
    notification,
)
from pipeline.local.semantics.sns_event import function_event
from pipeline.local.sources.bus_targets import EventTargets, TargetError, as_text

OnProblem = Callable[[str, str], None]
"""Told the logical id that it is about, and the problem in words."""


class EventRouter:
    """Does what S3, EventBridge and EventBridge Scheduler do with an event.

    A target that fails is not tried again: locally it either works or is not there. The event then
    goes to the target's dead-letter queue; without one it is reported as lost.
    """

    def __init__(
        self,
        routes: EventRoutes,
        targets: EventTargets,
        on_problem: OnProblem,
        clock: Callable[[], float],
    ) -> None:
        self._routes = routes
        self._targets = targets
        self._on_problem = on_problem
        self._clock = clock
        self._filters = [
            (each, NotificationFilter(each.events, each.prefix, each.suffix))
            for each in routes.notifications
        ]
        self._matchers: list[tuple[EventRule, Matcher]] = [
            (rule, compile_pattern(rule.pattern)) for rule in routes.rules if rule.pattern
        ]

    def take(self, fact: dict[str, Any]) -> None:
        """Route a fact of the endpoint's journal."""
        match fact["kind"]:
            case "event":
                self._publish(custom_event(fact), fact["bus"])
            case "service event":
                self._publish(as_text(fact["event"]), DEFAULT_BUS)
            case "object":
                change = _change(fact)
                self._notify(change)
                if fact["tells_event_bridge"]:
                    self._publish(as_text(bus_event(change, str(uuid.uuid4()))), DEFAULT_BUS)
            case "message":
                self._message_published(fact)
            case "fire":
                try:
                    self.fire(fact["logical_id"], fact["time"])
                except LookupError as error:
                    self._on_problem(fact["logical_id"], str(error))

    def fire(self, logical_id: str, moment: float) -> None:
        """Fire a rule or a schedule as if its time had come.

        Raises:
            LookupError: There is no such rule or schedule, or the rule has no schedule.
        """
        execution_id = uuid.uuid4()
        for schedule in self._routes.schedules:
            if schedule.logical_id == logical_id:
                text = schedule_input(schedule, moment, execution_id.hex[:16])
                self._send(schedule, schedule.target, text)
                return
        for rule in self._routes.rules:
            if rule.logical_id == logical_id and rule.schedule is not None:
                text = as_text(scheduled_event(rule.arn, moment, str(execution_id)))
                for target in rule.targets:
                    self._send(rule, target, target_input(text, rule, target, self._clock()))
                return
        names = ", ".join(self._routes.scheduled) or "none"
        raise LookupError(f"{logical_id} is no enabled schedule; there are: {names}")

    def _publish(self, text: str, bus: str) -> None:
        """Send an event on a bus to the targets of all rules that it matches."""
        event = parse_json(text)
        for rule, matches in self._matchers:
            if rule.bus == bus and matches(event):
                for target in rule.targets:
                    self._send(rule, target, target_input(text, rule, target, self._clock()))

    def _notify(self, change: ObjectChange) -> None:
        for each, wanted in self._filters:
            if each.bucket == change.bucket and wanted.matches(change):
                text = as_text(notification(change, each.configuration_id))
                try:
                    self._targets.send(each.target_arn, text)
                except TargetError as error:
                    self._on_problem(
                        each.logical_id,
                        f"{change.name} of {change.key} is lost, {each.target_arn} said: {error}",
                    )

    def _message_published(self, fact: dict[str, Any]) -> None:
        arn = fact["function_arn"]
        if arn not in self._routes.subscribed_functions:
            return  # somebody else's subscription
        try:
            self._targets.send(arn, as_text(function_event(fact)))
        except TargetError as error:
            what = f"message {fact['message_id']} is lost, {arn} said: {error}"
            self._on_problem(fact["topic_arn"], what)

    def _send(self, origin: EventRule | Schedule, target: EventTarget, text: str) -> None:
        try:
            self._targets.send(target.arn, text, target.group_id)
        except TargetError as error:
            self._bury(origin, target, text, error)

    def _bury(
        self, origin: EventRule | Schedule, target: EventTarget, text: str, error: TargetError
    ) -> None:
        what = f"an event is not delivered, {target.arn} said: {error}"
        if target.dead_letter_arn is None:
            self._on_problem(origin.logical_id, f"{what}; it is lost")
            return
        # Source: Amazon EventBridge User Guide, "Using dead-letter queues".
        reasons = {"ERROR_CODE": error.code, "ERROR_MESSAGE": str(error)[:1024]}
        if isinstance(origin, EventRule):
            reasons |= {"RULE_ARN": origin.arn, "TARGET_ARN": target.arn}
        else:
            reasons |= {"SCHEDULE_ARN": origin.arn, "TARGET_ARN": target.arn}
        try:
            self._targets.send_message(target.dead_letter_arn, text, reasons)
        except (BotoCoreError, ClientError) as second:
            self._on_problem(origin.logical_id, f"{what}; it is lost, its queue said: {second}")
        else:
            self._on_problem(origin.logical_id, f"{what}; {target.dead_letter_arn} has it")


def _change(fact: dict[str, Any]) -> ObjectChange:
    return ObjectChange(
        name=fact["name"],
        bucket=fact["bucket"],
        key=fact["key"],
        sequencer=fact["sequencer"],
        moment=fact["time"],
        region=fact["region"],
        account_id=fact["account_id"],
        principal=fact["caller"],
        source_ip=fact["source_ip"],
        request_id=fact["request_id"],
        size_bytes=fact.get("size_bytes"),
        etag=fact.get("etag"),
        version_id=fact.get("version_id"),
    )
