from typing import Any

import pytest

from tests.write_units import item_size_bytes, write_units


@pytest.mark.parametrize(
    ("attribute", "size_bytes"),
    [
        ({"S": "abc"}, 3),
        ({"S": "Zürich"}, 7),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "12"}, 2),
        ({"N": "12.5"}, 3),
        ({"N": "-12.5"}, 4),
        ({"N": "1790000000"}, 3),  # three digits: trailing zeros are trimmed
        ({"N": "1790000001"}, 6),
        ({"N": "-1e-99"}, 3),
        ({"B": b"\x00\x01\x02"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"S": "c"}]}, 8),
        ({"M": {"k": {"S": "ab"}}}, 7),
    ],
)
def test_a_value_has_the_size_that_the_developer_guide_says(
    attribute: dict[str, Any], size_bytes: int
) -> None:
    assert item_size_bytes({"a": attribute}) == 1 + size_bytes


@pytest.mark.parametrize(("text_bytes", "units"), [(1, 1), (1023, 1), (1024, 2), (3000, 3)])
def test_a_started_kilobyte_is_a_unit(text_bytes: int, units: int) -> None:
    assert write_units("metrics", {"a": {"S": "x" * text_bytes}}) == units


def test_an_index_takes_a_copy_of_the_items_that_have_its_key() -> None:
    item = {"transaction_id": {"S": "t-1"}, "user_id": {"S": "u-1"}}

    assert write_units("transactions", item) == 2
    assert write_units("activities", item) == 1
