"""What EventBridge's own documentation, its library and results recorded on AWS say of patterns."""

import pytest

from pipeline.local.semantics.event_pattern import compile_pattern, parse_json

# Pattern, event, whether it matches.
EXACT = [
    ('{"a": ["x"]}', '{"a": "x"}', True),
    ('{"a": ["x"]}', '{"a": "X"}', False),
    ('{"a": ["x"]}', '{"A": "x"}', False),
    ('{"a": ["x"]}', "{}", False),
    ('{"a": ["x", "y"]}', '{"a": "y"}', True),
    ('{"a": ["x", "y"]}', '{"a": "z"}', False),
    ('{"a": ["x"], "b": ["y"]}', '{"a": "x", "b": "y"}', True),
    ('{"a": ["x"], "b": ["y"]}', '{"a": "x", "b": "z"}', False),
    ('{"a": ["x"], "b": ["y"]}', '{"a": "x"}', False),
    ('{"a": [""]}', '{"a": ""}', True),
    ('{"a": [""]}', '{"a": null}', False),
    ('{"a": [""]}', "{}", False),
    ('{"a": [null]}', '{"a": null}', True),
    ('{"a": [null]}', '{"a": ""}', False),
    ('{"a": [null]}', '{"a": "null"}', False),
    ('{"a": [null]}', "{}", False),
    ('{"a": [null]}', '{"a": []}', False),
    ('{"a": [true]}', '{"a": true}', True),
    ('{"a": [true]}', '{"a": false}', False),
    ('{"a": [true]}', '{"a": "true"}', False),
    ('{"a": [true]}', '{"a": 1}', False),
    ('{"a": [false]}', '{"a": 0}', False),
    ('{"a": ["1"]}', '{"a": 1}', False),
    ('{"a": ["日本"]}', '{"a": "日本"}', True),
    ('{"a": ["\\u00fc"]}', '{"a": "ü"}', True),
    # Numbers are compared by their text.
    ('{"a": [300]}', '{"a": 300}', True),
    ('{"a": [300]}', '{"a": 300.0}', False),
    ('{"a": [300]}', '{"a": 3e2}', False),
    ('{"a": [300.0]}', '{"a": 3e2}', False),
    ('{"a": [3e2]}', '{"a": 3e2}', True),
    ('{"a": [3.0e2]}', '{"a": 3e2}', False),
    ('{"a": [1]}', '{"a": true}', False),
    ('{"a": [1]}', '{"a": "1"}', False),
    ('{"a": [0]}', '{"a": -0}', False),
    ('{"a": [123456789012]}', '{"a": 123456789012}', True),
    ('{"a": [1e999]}', '{"a": 1e999}', True),
]
NESTED = [
    ('{"a": {"b": ["x"]}}', '{"a": {"b": "x"}}', True),
    ('{"a": {"b": ["x"]}}', '{"a": "x"}', False),
    ('{"a": {"b": ["x"]}}', '{"b": "x"}', False),
    ('{"a": {"b": {"c": ["x"]}}}', '{"a": {"b": {"c": "x", "d": "y"}}}', True),
    ('{"a": ["x"]}', '{"a": {"a": "x"}}', False),
    # A path is its names joined by dots, in patterns and in events.
    ('{"a.b": ["x"]}', '{"a": {"b": "x"}}', True),
    ('{"a": {"b": ["x"]}}', '{"a.b": "x"}', True),
    ('{"a.b": {"c": ["x"]}}', '{"a": {"b.c": "x"}}', True),
    ('{"a": {"b": ["x"]}}', '{"a.b": {"b": "x"}}', False),
    ('{"a.b": {"b": ["x"]}}', '{"a": {"b": "x"}}', False),
]
TEXTS = [
    ('{"a": [{"prefix": "us-"}]}', '{"a": "us-east-1"}', True),
    ('{"a": [{"prefix": "us-"}]}', '{"a": "US-east-1"}', False),
    ('{"a": [{"prefix": "us-"}]}', '{"a": "eu-us-1"}', False),
    ('{"a": [{"prefix": "1"}]}', '{"a": 12}', False),
    ('{"a": [{"prefix": "n"}]}', '{"a": null}', False),
    ('{"a": [{"prefix": ""}]}', '{"a": ""}', True),
    ('{"a": [{"prefix": ""}]}', '{"a": 1}', False),
    ('{"a": [{"prefix": "us-"}]}', "{}", False),
    ('{"a": [{"prefix": {"equals-ignore-case": "EventB"}}]}', '{"a": "eVENTbridge"}', True),
    ('{"a": [{"prefix": {"equals-ignore-case": "EventB"}}]}', '{"a": "event"}', False),
    ('{"a": [{"suffix": ".png"}]}', '{"a": "cat.png"}', True),
    ('{"a": [{"suffix": ".png"}]}', '{"a": "cat.PNG"}', False),
    ('{"a": [{"suffix": ".png"}]}', '{"a": "png"}', False),
    ('{"a": [{"suffix": "2"}]}', '{"a": 12}', False),
    ('{"a": [{"suffix": {"equals-ignore-case": ".png"}}]}', '{"a": "cat.PnG"}', True),
    ('{"a": [{"suffix": {"equals-ignore-case": ".png"}}]}', '{"a": "cat.jpg"}', False),
    ('{"a": [{"equals-ignore-case": "Alice"}]}', '{"a": "aLICE"}', True),
    ('{"a": [{"equals-ignore-case": "Alice"}]}', '{"a": "alic"}', False),
    ('{"a": [{"equals-ignore-case": "ÄRGER"}]}', '{"a": "ärger"}', True),
    ('{"a": [{"equals-ignore-case": ""}]}', '{"a": ""}', True),
    ('{"a": [{"equals-ignore-case": "true"}]}', '{"a": true}', False),
    ('{"a": [{"prefix": "x"}, {"suffix": "y"}, "z"]}', '{"a": "z"}', True),
    ('{"a": [{"prefix": "x"}, {"suffix": "y"}, "z"]}', '{"a": "ay"}', True),
    ('{"a": [{"prefix": "x"}, {"suffix": "y"}, "z"]}', '{"a": "a"}', False),
    ('{"a": [{"wildcard": "dir/*.png"}]}', '{"a": "dir/a/b.png"}', True),
    ('{"a": [{"wildcard": "dir/*.png"}]}', '{"a": "dir/.png"}', True),
    ('{"a": [{"wildcard": "dir/*.png"}]}', '{"a": "other/b.png"}', False),
    ('{"a": [{"wildcard": "*"}]}', '{"a": ""}', True),
    ('{"a": [{"wildcard": "*"}]}', '{"a": 1}', False),
    ('{"a": [{"wildcard": "a*b*c"}]}', '{"a": "a-b-b-c"}', True),
    ('{"a": [{"wildcard": "a*b*c"}]}', '{"a": "a-c-b"}', False),
    ('{"a": [{"wildcard": "a*"}]}', '{"a": "a\\nb"}', True),
    ('{"a": [{"wildcard": "a.c*"}]}', '{"a": "abc"}', False),
    ('{"a": [{"wildcard": "a\\\\*b"}]}', '{"a": "a*b"}', True),
    ('{"a": [{"wildcard": "a\\\\*b"}]}', '{"a": "axb"}', False),
    ('{"a": [{"wildcard": "a\\\\\\\\*"}]}', '{"a": "a\\\\b"}', True),
    ('{"a": [{"wildcard": "x"}]}', '{"a": "x"}', True),
    (
        '{"a": [{"wildcard": "arn:*:events:*:*:event-bus/*"}]}',
        '{"a": "arn::events:::event-bus/"}',
        True,
    ),
]
ANYTHING_BUT = [
    ('{"a": [{"anything-but": "x"}]}', '{"a": "y"}', True),
    ('{"a": [{"anything-but": "x"}]}', '{"a": "x"}', False),
    ('{"a": [{"anything-but": "x"}]}', '{"a": null}', True),
    ('{"a": [{"anything-but": "x"}]}', '{"a": 1}', True),
    ('{"a": [{"anything-but": "x"}]}', "{}", False),
    ('{"a": [{"anything-but": "x"}]}', '{"a": []}', False),
    ('{"a": [{"anything-but": ["x", "y"]}]}', '{"a": "z"}', True),
    ('{"a": [{"anything-but": ["x", "y"]}]}', '{"a": "y"}', False),
    ('{"a": [{"anything-but": 123}]}', '{"a": 124}', True),
    ('{"a": [{"anything-but": 123}]}', '{"a": 123}', False),
    ('{"a": [{"anything-but": 123}]}', '{"a": 123.0}', False),
    ('{"a": [{"anything-but": 123}]}', '{"a": "123"}', True),
    ('{"a": [{"anything-but": [100, 200]}]}', '{"a": 300}', True),
    ('{"a": [{"anything-but": [100, 200]}]}', '{"a": 200}', False),
    ('{"a": [{"anything-but": 0}]}', '{"a": 0}', False),
    ('{"a": [{"anything-but": {"prefix": "init"}}]}', '{"a": "running"}', True),
    ('{"a": [{"anything-but": {"prefix": "init"}}]}', '{"a": "initial"}', False),
    ('{"a": [{"anything-but": {"prefix": "init"}}]}', '{"a": 12}', True),
    ('{"a": [{"anything-but": {"prefix": "init"}}]}', '{"a": null}', True),
    ('{"a": [{"anything-but": {"prefix": "init"}}]}', "{}", False),
    ('{"a": [{"anything-but": {"prefix": ["a", "b"]}}]}', '{"a": "cab"}', True),
    ('{"a": [{"anything-but": {"prefix": ["a", "b"]}}]}', '{"a": "bac"}', False),
    ('{"a": [{"anything-but": {"suffix": ".txt"}}]}', '{"a": "f.txt.bak"}', True),
    ('{"a": [{"anything-but": {"suffix": ".txt"}}]}', '{"a": "f.txt"}', False),
    ('{"a": [{"anything-but": {"suffix": [".txt", ".rtf"]}}]}', '{"a": "f.rtf"}', False),
    ('{"a": [{"anything-but": {"equals-ignore-case": "x"}}]}', '{"a": "X"}', False),
    ('{"a": [{"anything-but": {"equals-ignore-case": "x"}}]}', '{"a": "y"}', True),
    ('{"a": [{"anything-but": {"equals-ignore-case": ["x", "y"]}}]}', '{"a": "Y"}', False),
    ('{"a": [{"anything-but": {"wildcard": "*/lib/*"}}]}', '{"a": "usr/lib/x"}', False),
    ('{"a": [{"anything-but": {"wildcard": "*/lib/*"}}]}', '{"a": "usr/bin/x"}', True),
    (
        '{"a": [{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]}',
        '{"a": "usr/bin/x"}',
        False,
    ),
    ('{"a": [{"anything-but": {"wildcard": ""}}]}', '{"a": "x"}', True),
    # One other element of an array is enough.
    ('{"a": [{"anything-but": "x"}]}', '{"a": ["x", "y"]}', True),
    ('{"a": [{"anything-but": "x"}]}', '{"a": ["x", "x"]}', False),
]
NUMERIC = [
    ('{"a": [{"numeric": [">", 0, "<=", 5]}]}', '{"a": 5}', True),
    ('{"a": [{"numeric": [">", 0, "<=", 5]}]}', '{"a": 0}', False),
    ('{"a": [{"numeric": [">", 0, "<=", 5]}]}', '{"a": 5.000001}', False),
    ('{"a": [{"numeric": [">=", 0, "<", 5]}]}', '{"a": 0}', True),
    ('{"a": [{"numeric": [">=", 0, "<", 5]}]}', '{"a": 5}', False),
    ('{"a": [{"numeric": ["<", 10]}]}', '{"a": -1}', True),
    ('{"a": [{"numeric": ["<", 10]}]}', '{"a": 10}', False),
    ('{"a": [{"numeric": ["<=", 10]}]}', '{"a": 10.0}', True),
    ('{"a": [{"numeric": [">", 10]}]}', '{"a": 1.1e1}', True),
    ('{"a": [{"numeric": [">=", 10]}]}', '{"a": 9.999999}', False),
    ('{"a": [{"numeric": ["=", 3.018e2]}]}', '{"a": 301.8}', True),
    ('{"a": [{"numeric": ["=", 300]}]}', '{"a": 300.0}', True),
    ('{"a": [{"numeric": ["=", 300]}]}', '{"a": 3e2}', True),
    ('{"a": [{"numeric": ["=", 0.3]}]}', '{"a": 0.300000}', True),
    ('{"a": [{"numeric": ["=", 300]}]}', '{"a": "300"}', False),
    ('{"a": [{"numeric": ["=", 0]}]}', '{"a": null}', False),
    ('{"a": [{"numeric": ["=", 1]}]}', '{"a": true}', False),
    ('{"a": [{"numeric": [">", 0]}]}', "{}", False),
    ('{"a": [{"numeric": ["<=", 5e9]}]}', '{"a": 5000000000}', True),
    ('{"a": [{"numeric": [">=", -5e9]}]}', '{"a": 5000000001}', False),
    ('{"a": [{"numeric": [">=", -5e9]}]}', '{"a": 1e999999}', False),
    ('{"a": [{"numeric": [">", 0]}]}', '{"a": 0.1234567}', False),
    ('{"a": [{"numeric": [">", 0]}]}', '{"a": 1e99999999999999999999}', False),
    ('{"a": [{"numeric": [">", 0]}]}', '{"a": 1e-99999999999999999999}', False),
    ('{"a": [{"numeric": [">", 0]}, "x"]}', '{"a": "x"}', True),
]
EXISTS = [
    ('{"a": [{"exists": true}]}', '{"a": "x"}', True),
    ('{"a": [{"exists": true}]}', '{"a": ""}', True),
    ('{"a": [{"exists": true}]}', '{"a": null}', True),
    ('{"a": [{"exists": true}]}', "{}", False),
    ('{"a": [{"exists": true}]}', '{"a": []}', False),
    ('{"a": [{"exists": true}]}', '{"a": {"S": "x"}}', False),
    ('{"a": {"S": [{"exists": true}]}}', '{"a": {"S": "x"}}', True),
    ('{"a": [{"exists": false}]}', "{}", True),
    ('{"a": [{"exists": false}]}', '{"a": null}', False),
    ('{"a": [{"exists": false}]}', '{"a": 1}', False),
    # On what is no plain value it always holds.
    ('{"a": [{"exists": false}]}', '{"a": {"S": "x"}}', True),
    ('{"a": [{"exists": false}]}', '{"a": []}', True),
    ('{"a": {"b": [{"exists": false}]}}', "{}", True),
    ('{"a": {"b": [{"exists": false}]}}', '{"a": {"c": 1}}', True),
    ('{"a": {"b": [{"exists": false}]}}', '{"a": 1}', True),
    ('{"a": [{"exists": false}, {"anything-but": ["x"]}]}', "{}", True),
    ('{"a": [{"exists": false}, {"anything-but": ["x"]}]}', '{"a": "y"}', True),
    ('{"a": [{"exists": false}, {"anything-but": ["x"]}]}', '{"a": "x"}', False),
]
CIDR = [
    ('{"a": [{"cidr": "10.0.0.0/24"}]}', '{"a": "10.0.0.255"}', True),
    ('{"a": [{"cidr": "10.0.0.0/24"}]}', '{"a": "10.0.1.0"}', False),
    ('{"a": [{"cidr": "10.0.0.0/24"}]}', '{"a": "10.0.0"}', False),
    ('{"a": [{"cidr": "10.0.0.0/24"}]}', '{"a": 10}', False),
    ('{"a": [{"cidr": "10.0.0.0/24"}]}', '{"a": "10.0.0.999"}', False),
    ('{"a": [{"cidr": "0.0.0.0/0"}]}', '{"a": "255.255.255.255"}', True),
    ('{"a": [{"cidr": "0.0.0.0/0"}]}', '{"a": "::1"}', False),
    ('{"a": [{"cidr": "2001:db8::/32"}]}', '{"a": "2001:db8:ffff::1"}', True),
    ('{"a": [{"cidr": "2001:db8::/32"}]}', '{"a": "2001:db9::1"}', False),
]
OR = [
    ('{"$or": [{"a": [1]}, {"b": [2]}]}', '{"a": 1}', True),
    ('{"$or": [{"a": [1]}, {"b": [2]}]}', '{"b": 2}', True),
    ('{"$or": [{"a": [1]}, {"b": [2]}]}', '{"a": 2, "b": 1}', False),
    ('{"s": ["x"], "$or": [{"a": [1]}, {"b": [2]}]}', '{"s": "x", "b": 2}', True),
    ('{"s": ["x"], "$or": [{"a": [1]}, {"b": [2]}]}', '{"s": "y", "b": 2}', False),
    ('{"$or": [{"a": [1]}, {"b": [2]}], "s": ["x"]}', '{"s": "y", "b": 2}', False),
    ('{"d": {"$or": [{"a": [1]}, {"b": [2]}]}}', '{"d": {"b": 2}}', True),
    ('{"d": {"$or": [{"a": [1]}, {"b": [2]}]}}', '{"b": 2}', False),
    ('{"$or": [{"a": [1], "b": [2]}, {"c": [3]}]}', '{"a": 1}', False),
    (
        '{"$or": [{"a": [1], "$or": [{"b": [2]}, {"c": [3]}]}, {"d": [4]}]}',
        '{"a": 1, "c": 3}',
        True,
    ),
    ('{"$or": [{"a": [1], "$or": [{"b": [2]}, {"c": [3]}]}, {"d": [4]}]}', '{"c": 3}', False),
    ('{"$or": [{"a": [{"numeric": [">", 0]}]}, {"b": [{"exists": false}]}]}', '{"a": 0}', True),
    ('{"$or": [{"d": {"a": [1]}}, {"d": {"b": [2]}}]}', '{"d": {"b": 2}}', True),
]
ARRAYS = [
    ('{"a": ["x"]}', '{"a": ["w", "x"]}', True),
    ('{"a": ["x", "y"]}', '{"a": ["y", "z"]}', True),
    ('{"a": ["x"]}', '{"a": ["w"]}', False),
    ('{"a": ["x"]}', '{"a": []}', False),
    ('{"a": ["x"]}', '{"a": [["x"]]}', True),
    ('{"a": [{"prefix": "x"}]}', '{"a": ["ab", "xy"]}', True),
    ('{"a": [{"exists": true}]}', '{"a": [null]}', True),
    ('{"a": {"b": [1]}}', '{"a": [{"b": 2}, {"b": 1}]}', True),
    ('{"a": {"b": [{"exists": true}]}}', '{"a": [{"c": 1}, {"b": 2}]}', True),
    # Not from two elements of one array.
    ('{"a": {"b": [1], "c": [2]}}', '{"a": [{"b": 1, "c": 3}, {"b": 1, "c": 2}]}', True),
    ('{"a": {"b": [1], "c": [2]}}', '{"a": [{"b": 1, "c": 3}, {"b": 4, "c": 2}]}', False),
    (
        '{"e": {"f": ["Anna"], "l": ["Jones"]}}',
        '{"e": [[{"f": "Anna", "l": "S"}], [{"f": "P", "l": "Jones"}]]}',
        False,
    ),
    (
        '{"e": {"f": ["Anna"], "l": ["S"]}}',
        '{"e": [[{"f": "Anna", "l": "S"}], [{"f": "P", "l": "Jones"}]]}',
        True,
    ),
    ('{"a": {"b": [1]}, "c": {"d": [2]}}', '{"a": [{"b": 1}], "c": [{"d": 3}, {"d": 2}]}', True),
    ('{"a": {"b": {"c": [1], "d": [2]}}}', '{"a": [{"b": [{"c": 1}, {"d": 2}]}]}', False),
    ('{"a": {"b": {"c": [1]}, "d": [2]}}', '{"a": [{"b": [{"c": 0}, {"c": 1}], "d": 2}]}', True),
    (
        '{"a": {"b": {"c": [1]}, "d": [2]}}',
        '{"a": [{"b": [{"c": 1}], "d": 0}, {"b": [], "d": 2}]}',
        False,
    ),
    # An element without the field next to one that has it.
    ('{"a": {"b": [1], "c": [{"exists": false}]}}', '{"a": [{"b": 1}, {"b": 2, "c": 3}]}', True),
    ('{"a": {"b": [2], "c": [{"exists": false}]}}', '{"a": [{"b": 1}, {"b": 2, "c": 3}]}', False),
]  # fmt: skip  a case a line


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [*EXACT, *NESTED, *TEXTS, *ANYTHING_BUT, *NUMERIC, *EXISTS, *CIDR, *OR, *ARRAYS],
)
def test_a_pattern_matches_as_on_aws(
    pattern: str,
    event: str,
    expected: bool,  # noqa: FBT001  a column of the table
) -> None:
    matches = compile_pattern(pattern)

    assert matches(parse_json(event)) is expected


def test_the_plain_numbers_of_python_have_the_text_of_json() -> None:
    assert compile_pattern('{"a": [300]}')({"a": 300})
    assert compile_pattern('{"a": [300.0]}')({"a": 300.0})
    assert not compile_pattern('{"a": [300]}')({"a": 300.0})
    assert compile_pattern('{"a": [{"numeric": ["=", 0.5]}]}')({"a": 0.5})


def test_an_event_may_be_nested_deeper_than_python_recurses() -> None:
    event: dict[str, object] = {"a": "x"}
    for _ in range(5_000):
        event = {"a": [event]}

    assert not compile_pattern('{"a": ["x"]}')(event)


def test_arrays_that_share_nothing_are_not_multiplied() -> None:
    names = [f"a{number}" for number in range(8)]
    inner = ",".join(f'"{name}": {{"b": [1]}}' for name in names)
    event = {name: [{"b": 1}] * 200 for name in names}

    assert compile_pattern(f"{{{inner}}}")(event)
