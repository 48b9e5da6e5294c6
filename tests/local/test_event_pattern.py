import pytest

from pipeline.local.semantics.event_pattern import UnsupportedPatternError, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ('{"eventName": ["INSERT"]}', {"eventName": "INSERT"}, True),
        ('{"eventName": ["INSERT", "MODIFY"]}', {"eventName": "MODIFY"}, True),
        ('{"eventName": ["INSERT"]}', {"eventName": "REMOVE"}, False),
        ('{"eventName": ["INSERT"]}', {}, False),
        ('{"a": {"b": [1]}, "c": [2]}', {"a": {"b": 1}, "c": 2}, True),
        ('{"a": {"b": [1]}, "c": [2]}', {"a": {"b": 1}, "c": 3}, False),
        ('{"a": {"b": [1]}}', {"a": 1}, False),
        ('{"a": [1]}', {"a": [3, 1]}, True),
        ('{"a": [1]}', {"a": 1.0}, False),
        ('{"a": [1]}', {"a": True}, False),
        ('{"a": [true]}', {"a": True}, True),
        ('{"a": [null]}', {"a": None}, True),
        ('{"a": [null]}', {}, False),
        ('{"a": [""]}', {"a": ""}, True),
        ('{"a": [{"prefix": "ab"}]}', {"a": "abc"}, True),
        ('{"a": [{"prefix": "ab"}]}', {"a": "cab"}, False),
        ('{"a": [{"prefix": "1"}]}', {"a": 12}, False),
        ('{"a": [{"prefix": "b"}, "x"]}', {"a": "x"}, True),
        ('{"a": [{"exists": true}]}', {"a": None}, True),
        ('{"a": [{"exists": true}]}', {}, False),
        ('{"a": [{"exists": true}]}', {"a": []}, False),
        ('{"a": [{"exists": false}]}', {}, True),
        ('{"a": [{"exists": false}]}', {"a": 1}, False),
        # On an object it always holds: only plain values exist.
        ('{"a": [{"exists": false}]}', {"a": {"b": 1}}, True),
        ('{"a": {"b": [{"exists": false}]}}', {}, True),
        ('{"a": [{"anything-but": ["x", "y"]}]}', {"a": "z"}, True),
        ('{"a": [{"anything-but": ["x", "y"]}]}', {"a": "x"}, False),
        ('{"a": [{"anything-but": 1}]}', {"a": 2}, True),
        ('{"a": [{"anything-but": 1}]}', {}, False),
        ('{"a": {"b": [1], "c": [2]}}', {"a": [{"b": 1, "c": 3}, {"b": 1, "c": 2}]}, True),
        ('{"a": {"b": [1], "c": [2]}}', {"a": [{"b": 1}, {"c": 2}]}, False),
    ],
)
def test_a_pattern_matches_as_eventbridge_says(
    pattern: str,
    event: dict[str, object],
    expected: bool,  # noqa: FBT001  a column of the table
) -> None:
    assert compile_pattern(pattern)(event) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "plain text",
        "[]",
        "{}",
        '{"a": "x"}',
        '{"a": []}',
        '{"a": {}}',
        '{"a": [[1]]}',
        '{"a": [1.5]}',
        '{"a": [{"numeric": [">", 1]}]}',
        '{"a": [{"suffix": "x"}]}',
        '{"a": [{"anything-but": {"prefix": "x"}}]}',
        '{"a": [{"anything-but": []}]}',
        '{"a": [{"prefix": 1}]}',
        '{"a": [{"prefix": "x", "exists": true}]}',
        '{"$or": [{"a": [1]}, {"b": [2]}]}',
    ],
)
def test_a_pattern_that_is_not_understood_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedPatternError):
        compile_pattern(pattern)


def test_the_refusal_names_the_field_and_the_rule() -> None:
    with pytest.raises(UnsupportedPatternError, match=r'\.a\.b: .* \{"numeric": \["<", 3\]\}'):
        compile_pattern('{"a": {"b": [{"numeric": ["<", 3]}]}}')
