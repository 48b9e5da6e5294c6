import click
import pytest

from pipeline.cli.finite import FiniteRange


@pytest.mark.parametrize("text", ["nan", "-nan", "inf", "-inf", "infinity", "1e999", "-1", "many"])
def test_what_is_no_number_of_the_range_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        FiniteRange(min=0).convert(text, None, None)


def test_a_number_of_the_range_is_taken() -> None:
    assert FiniteRange(min=0).convert("0.5", None, None) == 0.5
