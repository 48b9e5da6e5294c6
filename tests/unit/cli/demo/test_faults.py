import io

import click
import pytest
from rich.console import Console

from pipeline.cli.demo.faults import FaultPlanType, fault_table
from pipeline.local.faults import FaultPlan
from pipeline.local.run import FaultCount


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("7", FaultPlan(7, 0.02)),
        ("7,0.05", FaultPlan(7, 0.05)),
        ("-1, 0.2", FaultPlan(-1, 0.2)),
    ],
)
def test_a_plan_is_a_seed_and_perhaps_a_rate(text: str, plan: FaultPlan) -> None:
    assert FaultPlanType().convert(text, None, None) == plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a whole number, or one and a rate as in 7,0.05"),
        ("x", "'x' is not a whole number, or one and a rate as in 7,0.05"),
        ("7,", "'7,' is not a whole number, or one and a rate as in 7,0.05"),
        ("7,much", "'7,much' is not a whole number, or one and a rate as in 7,0.05"),
        ("7,0.05,3", "'7,0.05,3' is not a whole number, or one and a rate as in 7,0.05"),
        ("7,0", "the rate 0 is not over 0 and up to 0.2"),
        ("7,0.3", "the rate 0.3 is not over 0 and up to 0.2"),
        ("7,nan", "the rate nan is not over 0 and up to 0.2"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        FaultPlanType().convert(text, None, None)

    assert refused.value.message == message


def test_the_table_has_a_line_per_function_and_kind_and_their_sum() -> None:
    counts = [
        FaultCount("Alerts", "invocation", "crash", 2),
        FaultCount("Events", "dynamodb", "throttled", 11),
    ]
    console = Console(width=80, record=True, file=io.StringIO())

    console.print(fault_table(counts))

    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["Alerts", "invocation", "crash", "2"] in lines
    assert ["Events", "dynamodb", "throttled", "11"] in lines
    assert ["all", "13"] in lines
