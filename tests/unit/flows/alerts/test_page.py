from datetime import timedelta

import msgspec

from pipeline.flows.alerts.page import MAX_LINES, page_text
from tests.fakes.alerts import NOON, cpu_fact
from tests.unit.flows.alerts.test_composing import notification

CPU = notification(cpu_fact())


PAGE = """\
FIRING HIGH: cpu_usage above 90% on web-7

What:         observed 97.3%, expected at most 90%, 3 times
Why:          97.3% is above the limit 90%
              3 points above the limit so far
Last values:  ▁▁▁▁▂▅▇██  40.2% to 97.3%, newest right
Where:        web-7 · host · metric_name=cpu_usage · prod eu-west-1
Since:        2026-03-01 11:56:00 UTC (4 min ago)
Impact:       Work queues up.
Next steps:   1. Look.
              2. Mend.
Runbook:      https://runbooks.example.com/operations.md#static-limit
Evidence:     aws dynamodb query --table-name alerts \
--key-condition-expression 'dedup_key = :key' --expression-attribute-values \
'{":key": {"S": "static_limit#web-7/cpu_usage"}}'

You get this: first page of this alert; more of the same joins it without a page; \
0 similar suppressed
Silence it:   for one subscriber, until the policy is removed:
              aws sns set-subscription-attributes --subscription-arn YOUR_SUBSCRIPTION_ARN \
--attribute-name FilterPolicy --attribute-value \
'{"dedup_key": [{"anything-but": ["static_limit#web-7/cpu_usage"]}]}'
Alert id:     a-1
"""


def test_a_page_tells_all_at_a_glance() -> None:
    assert page_text(CPU, NOON) == PAGE


def test_a_resolve_asks_for_nothing_and_tells_how_long_it_lasted() -> None:
    resolved = msgspec.structs.replace(
        CPU, status="resolved", notification_reason="resolved", ends_at="2026-03-01T12:09:00.000Z"
    )

    text = page_text(resolved, NOON + timedelta(minutes=10))

    assert "over at 12:09:00 after 13 min" in text
    assert "Next steps:   none to end it" in text
    assert "1. Look." not in text


def test_a_moment_ahead_of_the_clock_is_admitted() -> None:
    assert "(6 min ahead of this clock)" in page_text(CPU, NOON - timedelta(minutes=10))


def test_the_age_is_that_of_the_sending() -> None:
    assert "(2 h 4 min ago)" in page_text(CPU, NOON + timedelta(hours=2))


def test_the_longest_page_has_at_most_25_lines() -> None:
    steps = ("one", "two", "three", "four", "five")
    longest = msgspec.structs.replace(CPU, next_steps=steps, reasons=steps)

    assert len(page_text(longest, NOON).splitlines()) <= MAX_LINES
