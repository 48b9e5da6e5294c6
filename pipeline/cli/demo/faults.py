"""The option `--faults`: let things go wrong on purpose, alike for the same seed."""

from collections.abc import Sequence
from typing import Final

import click
from rich.table import Table

from pipeline.cli.tables import Column, table
from pipeline.local.faults import FaultPlan
from pipeline.local.run import FaultCount

MAX_RATE: Final = 0.2
"""Above it too many batches fail again and again for a run to end."""


class FaultPlanType(click.ParamType[FaultPlan]):
    """A seed, and after a comma the chance of a fault, as in `7` and `7,0.05`."""

    name = "fault plan"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> FaultPlan:
        """Read seed and rate; end the command with what is wrong with them."""
        seed, comma, rate = value.partition(",")
        try:
            plan = FaultPlan(int(seed), float(rate)) if comma else FaultPlan(int(seed))
        except ValueError:
            self.fail(
                f"{value!r} is not a whole number, or one and a rate as in 7,0.05", param, ctx
            )
        if not 0 < plan.rate <= MAX_RATE:
            self.fail(f"the rate {rate} is not over 0 and up to {MAX_RATE}", param, ctx)
        return plan


faults_option = click.option(
    "--faults",
    type=FaultPlanType(),
    metavar="SEED[,RATE]",
    help=(
        "Let AWS calls and invocations go wrong, chosen by the seed: each call with the chance "
        f"RATE, {FaultPlan(0).rate} without it."
    ),
)


def fault_table(counts: Sequence[FaultCount]) -> Table:
    """Lay out how often each kind of fault has struck what of each function."""
    columns = (*map(Column, ("function", "what of it", "fault")), Column("times", is_figure=True))
    rows = [(one.function, one.place, one.kind, str(one.times)) for one in counts]
    total = ("all", "", "", str(sum(one.times for one in counts)))
    return table("Injected faults", columns, rows, total)
