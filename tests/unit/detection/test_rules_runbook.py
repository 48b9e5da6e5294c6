import re
from pathlib import Path

import pytest

from pipeline.detection.rules import Limit, Rule, default_rules
from pipeline.detection.user_facts import span_text

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
RULES = default_rules().all()
PROCEDURES = {
    "Bring records back",
    "Set GitHub up",
    "What a workflow does",
    "Roll back",
    "Upgrade",
    "Scaling limits",
    "Costs",
    "Stop a function",
    "Delete the stack",
    "Disaster",
}


def section(heading: str) -> str:
    text = OPERATIONS.read_text("utf-8")
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found, f"docs/operations.md has no section `## {heading}`"
    return found[1]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_has_a_runbook_section_that_says_what_to_do(rule: Rule) -> None:
    text = section(rule.runbook)

    assert f"`{rule.id}`" in text
    for part in ("**What it means.**", "**How to check.**", "**What to do.**"):
        assert part in text


def test_no_two_rules_share_a_runbook_section() -> None:
    headings = [rule.runbook for rule in RULES]

    assert sorted(set(headings)) == sorted(headings)


def test_every_section_belongs_to_a_rule_or_an_alarm() -> None:
    headings = re.findall(r"^## (.*)$", OPERATIONS.read_text("utf-8"), re.MULTILINE)

    others = {heading for heading in headings if not heading.startswith("Alarm ")}

    assert len(set(headings)) == len(headings)
    assert others == {rule.runbook for rule in RULES} | PROCEDURES


def test_every_limit_stands_in_the_runbook_as_it_is() -> None:
    rows = re.findall(r"^\| `.*\|$", section("Static limit"), re.MULTILINE)

    assert rows == [row(limit) for limit in default_rules().static_limit.limits]


def test_every_velocity_window_stands_in_the_runbook_as_it_is() -> None:
    rows = re.findall(r"^\| \d.*\|$", section("Transaction velocity"), re.MULTILINE)

    assert rows == [
        f"| {span_text(window.span_s)} | {window.count} | {window.sum:,.0f} |"
        for window in default_rules().transaction_velocity.windows
    ]


def row(limit: Limit) -> str:
    unit, pace = limit.unit, limit.pace
    critical = [f"{step.above:g} {unit}" for step in limit.steps if step.severity == "critical"]
    calm = f"{pace.clear_points} points"
    if pace.clear_for_s:
        calm += f" over {pace.clear_for_s:g} s"
    cells = [
        f"`{limit.metric}`",
        f"{limit.above:g} {unit}",
        *(critical or ["never"]),
        f"{limit.clear_below:g} {unit}",
        calm,
    ]
    return f"| {' | '.join(cells)} |"
