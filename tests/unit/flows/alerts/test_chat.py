from typing import Any

import msgspec
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from pipeline.detection.anomaly import Anomaly
from pipeline.flows.alerts.chat import content, inert
from pipeline.flows.alerts.digest import compose_digest
from pipeline.flows.alerts.notification import Notification
from pipeline.flows.alerts.occasion import Occasion
from tests.fakes.alerts import cpu_fact
from tests.unit.flows.alerts.samples import (
    RULE,
    STORM,
    STORMS,
    WHERE,
    hostile_facts,
    hostile_occasions,
    notification,
)

TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": TEXT}
CUSTOM_NOTIFICATION = Draft202012Validator(
    {
        "type": "object",
        "required": ["version", "source", "content"],
        "properties": {
            "version": {"const": "1.0"},
            "source": {"const": "custom"},
            "id": TEXT,
            "content": {
                "type": "object",
                "required": ["description"],
                "additionalProperties": False,
                "properties": {
                    "textType": {"const": "client-markdown"},
                    "title": TEXT | {"maxLength": 150},
                    "description": TEXT | {"maxLength": 3000},
                    "nextSteps": {"type": "array", "items": TEXT | {"maxLength": 350}},
                    "keywords": {"type": "array", "items": TEXT | {"maxLength": 75}},
                },
            },
            "metadata": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "threadId": TEXT,
                    "summary": TEXT,
                    "eventType": TEXT,
                    "relatedResources": TEXTS,
                    "additionalContext": {
                        "type": "object",
                        "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,100}$"},
                        "additionalProperties": {"type": "string", "pattern": "^[!-~]{1,1024}$"},
                    },
                    "enableCustomActions": {"type": "boolean"},
                },
            },
        },
    }
)
"""Typed from the Administrator Guide, custom notifications, parameter details; the form of the
context is what custom actions can take (API Reference, CustomActionAttachment). The lengths of
title and description are Slack's, which are below those of the guide: 250 and 8,000."""


def document(record: Notification) -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(record), type=dict[str, Any])


@given(hostile_facts, hostile_occasions)
def test_any_body_is_a_custom_notification_of_amazon_q(fact: Anomaly, occasion: Occasion) -> None:
    CUSTOM_NOTIFICATION.validate(document(notification(fact, RULE, occasion)))


def test_a_digest_is_a_custom_notification_in_the_thread_of_its_storm() -> None:
    shown = document(compose_digest(STORM, STORMS, WHERE))

    CUSTOM_NOTIFICATION.validate(shown)
    assert shown["metadata"]["threadId"] == STORM.thread_id
    assert shown["content"]["keywords"] == ["digest", "critical"]


@pytest.mark.parametrize(("length", "is_shown"), [(341, True), (342, False)])
def test_the_runbook_is_a_step_where_its_whole_address_fits(length: int, *, is_shown: bool) -> None:
    address = "https://" + "r" * (length - 8)

    steps = content(("firing", "high", "t"), ["what"], [], ["s" * 351], address).next_steps

    assert steps == (f"{'s' * 349}…", *([f"Runbook: {address}"] if is_shown else []))


def test_the_chat_shows_what_why_and_what_to_do() -> None:
    shown = document(notification(cpu_fact()))

    assert shown["content"] == {
        "textType": "client-markdown",
        "title": "[firing][high] cpu_usage above 90% on web-7",
        "description": (
            "cpu_usage above 90% on web-7: 97.3% observed against at most 90% expected, 3 times, "
            "since 11:56:00 UTC on 2026-03-01.\n"
            "- 97.3% is above the limit 90%\n"
            "- 3 points above the limit so far"
        ),
        "nextSteps": [
            "Find the busiest process: top -o %CPU",
            "Genuine load: add capacity",
            "A runaway process: restart it, or roll back the release it came with",
            "Runbook: https://runbooks.example.com/operations.md#static-limit",
        ],
        "keywords": ["firing", "high"],
    }
    assert shown["metadata"] == {
        "threadId": "7f2e1d0c9b8a79685746352413021100",
        "summary": (
            "cpu_usage above 90% on web-7: 97.3% observed against at most 90% expected, 3 times, "
            "since 11:56:00 UTC on 2026-03-01."
        ),
        "eventType": "alert.firing",
        "relatedResources": ["web-7"],
        "additionalContext": {
            "alert_id": "618098af3b1c4d5e9f60718293a4b5c6",
            "severity": "high",
            "environment": "prod",
            "region": "eu-west-1",
            "stack": "shop-prod",
        },
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!channel> free money", "‹!channel› free money"),  # noqa: RUF001  what inert makes
        ("@here and <@U024BE7LH>", "＠here and ‹＠U024BE7LH›"),  # noqa: RUF001  what inert makes
        ("<https://evil.example|bank>", "‹https://evil.example¦bank›"),  # noqa: RUF001  made so
        ("[bank](https://evil.example)", "(bank)(https://evil.example)"),
        ("```code``` *bold* ~gone~", "'''code''' ∗bold∗ ∼gone∼"),  # noqa: RUF001  made so
        ("cpu_usage 97.3% on web-7", "cpu_usage 97.3% on web-7"),
    ],
)
def test_the_chat_calls_nobody_and_links_nowhere(text: str, shown: str) -> None:
    assert inert(text) == shown


@given(hostile_facts, hostile_occasions)
def test_nothing_in_the_chat_is_markup_of_a_producer(fact: Anomaly, occasion: Occasion) -> None:
    shown = notification(fact, RULE, occasion).content

    written = "\n".join([shown.title.replace("[", "").replace("]", ""), shown.description])
    assert not set(written) & set("<>@*~`[]|\\")
    assert "https://evil.example" not in written
