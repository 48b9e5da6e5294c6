from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.flows.alerts.texts import (
    clean,
    cut,
    defang,
    duration_text,
    sparkline,
    tidy,
    to_ascii,
)


def test_control_characters_become_single_spaces() -> None:
    assert clean("a\x00b\r\n\tc\u2028d\x1b[31m", 80) == "a b c d [31m"


def test_what_turns_the_writing_around_becomes_a_space() -> None:
    assert clean("invoice\u202egpj.exe \u2066hidden\u2069 zero\u200bwidth", 80) == (
        "invoice gpj.exe hidden zero width"
    )


def test_a_letter_keeps_few_marks() -> None:
    assert tidy("o" + "\u0301" * 40 + "k") == "o" + "\u0301" * 2 + "k"


def test_masking_may_make_a_short_text_longer() -> None:
    assert tidy("a@b") == "[e-mail]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://evil.example/login", "see https[:]//evil.example/login"),
        ("slack://open?team=1", "slack[:]//open?team=1"),
        ("go to WWW.evil.example", "go to www[.]evil.example"),
        ("s3 and web-7.example.com", "s3 and web-7.example.com"),
    ],
)
def test_no_address_of_a_producer_becomes_a_link(text: str, shown: str) -> None:
    assert defang(text) == shown


@given(st.text(max_size=200), st.integers(4, 60))
def test_a_cut_text_fits_and_has_no_control_characters(text: str, max_chars: int) -> None:
    line = clean(text, max_chars)

    assert len(line) <= max_chars
    assert line.isprintable() or all(not char.isspace() or char == " " for char in line)


def test_a_text_is_cut_on_a_word_and_marked() -> None:
    assert cut("the quick brown fox", 12) == "the quick…"


def test_a_single_long_word_is_cut_within() -> None:
    assert cut("x" * 20, 10, "...") == "xxxxxxx..."


def test_accents_are_dropped_and_the_rest_is_questioned() -> None:
    assert to_ascii("Zürich 漢 naïve") == "Zurich ? naive"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (240, "4 min"),
        (245, "4 min"),
        (3_900, "1 h 5 min"),
        (7_200, "2 h"),
        (93_600, "1 d 2 h"),
    ],
)
def test_a_duration_is_told_in_its_largest_units(seconds: int, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text


def test_a_sparkline_spans_least_to_greatest() -> None:
    assert sparkline((0, 7, 3.5, 14)) == "▁▅▃█"


def test_equal_values_lie_flat_and_one_value_draws_nothing() -> None:
    assert sparkline((5, 5, 5)) == "▁▁▁"
    assert sparkline((5,)) == ""


@given(st.lists(st.floats(), max_size=10))
def test_any_values_draw_at_most_one_block_each(values: list[float]) -> None:
    assert len(sparkline(values)) <= len(values)
