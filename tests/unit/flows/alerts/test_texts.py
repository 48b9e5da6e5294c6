from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.flows.alerts.texts import clean, cut, duration_text, mask, sparkline, to_ascii


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail jane.doe+x@example.co.uk now", "mail [e-mail] now"),
        ("from 203.0.113.9:443", "from [ip]:443"),
        ("from 2001:db8::1 and ::1", "from [ip] and [ip]"),
        ("card 4111 1111 1111 1111!", "card [card]!"),
        ("card 4111-1111-1111-1111", "card [card]"),
        ("card 378282246310005", "card [card]"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "since 11:56:00 UTC",
        "web-7/cpu_usage",
        "static_limit#web-7",
        "order 1234567890123456",
        "49590338271490256608559692538361571095921575989136588898",
        "97.3% of 1,024",
        "std::deque::front",
    ],
)
def test_what_is_no_personal_data_stays(text: str) -> None:
    assert mask(text) == text


def test_control_characters_become_single_spaces() -> None:
    assert clean("a\x00b\r\n\tc\u2028d\x1b[31m", 80) == "a b c d [31m"


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
