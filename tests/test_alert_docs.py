"""docs/alerts.md is true: its tables, samples and subscriber are checked against the code."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from pipeline.flows.alerts.notification import Notification, NotificationReason, attributes
from tests.fakes.alerts import cpu_fact
from tests.unit.flows.alerts.samples import notification

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "alerts.md").read_text("utf-8")
GOLDEN = ROOT / "tests" / "unit" / "flows" / "alerts" / "golden"


def section(title: str) -> str:
    return re.split(r"^## ", TEXT.split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def first_column(title: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", section(title), re.MULTILINE)


def block(title: str, language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_document_names_every_field_in_its_order() -> None:
    assert first_column("The document") == [
        field.encode_name for field in msgspec.structs.fields(Notification)
    ]


def test_every_reason_is_explained() -> None:
    assert first_column("The page")[1:] == list(get_args(NotificationReason))


def test_every_attribute_is_explained() -> None:
    assert first_column("Filter policies") == list(attributes(notification(cpu_fact())))


def test_the_sample_page_and_its_one_line_form_are_real() -> None:
    subject, sms, page = (GOLDEN / "first.txt").read_text("utf-8").split("\n", 2)

    assert block("The page", "text") == f"{subject}\n{page}"
    assert block("SMS", "text") == f"{sms}\n"


def test_the_filter_policy_names_attributes() -> None:
    policy = json.loads(block("Filter policies", "json"))

    assert set(policy) <= set(attributes(notification(cpu_fact())))


def test_the_subscriber_posts_to_pagerduty(monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[urllib.request.Request] = []
    answered: list[str] = []

    class Answer:
        def close(self) -> None:
            answered.append("closed")

    def urlopen(request: urllib.request.Request, timeout: float) -> Answer:
        assert timeout > 0
        posted.append(request)
        return Answer()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setenv("ROUTING_KEY", "0123456789abcdef0123456789abcdef")
    subscriber: dict[str, Any] = {}
    exec(block("PagerDuty", "python"), subscriber)
    message = msgspec.json.encode(notification(cpu_fact())).decode()

    subscriber["handler"]({"Records": [{"Sns": {"Message": message}}]}, None)

    assert answered == ["closed"]
    assert posted[0].full_url == "https://events.pagerduty.com/v2/enqueue"
    body = msgspec.json.decode(bytes(posted[0].data or b""))  # type: ignore[arg-type]  # bytes here
    assert body["event_action"] == "trigger"
    assert body["routing_key"] == "0123456789abcdef0123456789abcdef"
