"""Numbers on a command line that arithmetic can be done with."""

import math
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """Takes a number within bounds, as click's does, and refuses infinity and NaN.

    NaN is neither below nor above a bound, so a range alone lets it pass, and every comparison with
    it is false afterwards.
    """

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's signature: its text, or the default as it is
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number
