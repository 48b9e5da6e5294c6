"""Patterns that AWS refuses, with the reason that it gives."""

import json
from typing import Any

import pytest

from pipeline.local.semantics.event_pattern import (
    FilterSource,
    PatternError,
    compile_filter,
    compile_pattern,
    parse_json,
)

MIXED = "either all values are number or string"
TEXT_ONLY = "number|start|null|boolean is not supported"
ANYTHING_BUT = "Value of anything-but must be an array or single string/number value."
AFFIX = "prefix/suffix match pattern must be a string"

INVALID = [
    ("", "it is no JSON"),
    ("plain text", "it is no JSON"),
    ("{'a': ['x']}", "it is no JSON"),
    ('{"a": [NaN]}', "NaN is no JSON"),
    ('{"a": ["x"]', "it is no JSON"),
    ("[]", "Filter is not an object"),
    ('"a"', "Filter is not an object"),
    ("{}", "Empty objects are not allowed"),
    ('{"a": {}}', "Empty objects are not allowed (at a)"),
    ('{"a": "x"}', '"a" must be an object or an array'),
    ('{"a": 42}', '"a" must be an object or an array'),
    ('{"a": null}', '"a" must be an object or an array'),
    ('{"a": {"b": true}}', '"b" must be an object or an array (at a)'),
    ('{"a": []}', "Empty arrays are not allowed (at a)"),
    ('{"a": [["x"]]}', "Match value must be String, number, true, false, or null (at a)"),
    ('{"a": [{}]}', "Match expression name not found"),
    ('{"a": [{"EXISTS": true}]}', "Unrecognized match type EXISTS (at a)"),
    ('{"a": [{"regex": "x"}]}', "Unrecognized match type regex"),
    ('{"a": [{"b": ["x"]}]}', "Unrecognized match type b"),
    ('{"a": [{"prefix": "x", "suffix": "y"}]}', "Only one key allowed in match expression"),
    ('{"a": [{"prefix": 123}]}', "prefix match pattern must be a string"),
    ('{"a": [{"prefix": ["x"]}]}', "prefix match pattern must be a string"),
    ('{"a": [{"prefix": {"wildcard": "x"}}]}', "Unsupported prefix pattern: wildcard"),
    ('{"a": [{"prefix": {}}]}', "Prefix expression name not found"),
    ('{"a": [{"prefix": {"equals-ignore-case": 1}}]}', "equals-ignore-case match pattern must be"),
    ('{"a": [{"suffix": null}]}', "suffix match pattern must be a string"),
    ('{"a": [{"suffix": [".png"]}]}', "suffix match pattern must be a string"),
    ('{"a": [{"suffix": {"prefix": "x"}}]}', "Unsupported suffix pattern: prefix"),
    ('{"a": [{"equals-ignore-case": ["x"]}]}', "equals-ignore-case match pattern must be a string"),
    ('{"a": [{"equals-ignore-case": {"prefix": "x"}}]}', "equals-ignore-case match pattern must"),
    ('{"a": [{"wildcard": 123}]}', "wildcard match pattern must be a string"),
    ('{"a": [{"wildcard": ["x*"]}]}', "wildcard match pattern must be a string"),
    ('{"a": [{"wildcard": "a**b"}]}', "Consecutive wildcard characters at pos 2"),
    ('{"a": [{"wildcard": "a\\\\b"}]}', "Invalid escape character at pos 2"),
    ('{"a": [{"wildcard": "a\\\\"}]}', "Invalid escape character at pos 2"),
    ('{"a": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}', "Rule is too complex"),
    ('{"a": [{"anything-but": null}]}', ANYTHING_BUT),
    ('{"a": [{"anything-but": true}]}', ANYTHING_BUT),
    ('{"a": [{"anything-but": []}]}', MIXED),
    ('{"a": [{"anything-but": ["x", 1]}]}', MIXED),
    ('{"a": [{"anything-but": ["x", null]}]}', "Inside anything but list, start|null|boolean"),
    ('{"a": [{"anything-but": [true]}]}', "Inside anything but list, start|null|boolean"),
    ('{"a": [{"anything-but": {}}]}', "Anything-But expression name not found"),
    ('{"a": [{"anything-but": {"numeric": ["=", 1]}}]}', "Unsupported anything-but pattern: num"),
    ('{"a": [{"anything-but": {"prefix": 1}}]}', AFFIX),
    ('{"a": [{"anything-but": {"prefix": [1, "x"]}}]}', AFFIX),
    ('{"a": [{"anything-but": {"prefix": ""}}]}', "Null prefix/suffix not allowed"),
    ('{"a": [{"anything-but": {"suffix": [""]}}]}', "Null prefix/suffix not allowed"),
    ('{"a": [{"anything-but": {"suffix": [null]}}]}', AFFIX),
    ('{"a": [{"anything-but": {"suffix": []}}]}', "Empty arrays are not allowed"),
    ('{"a": [{"anything-but": {"prefix": {"equals-ignore-case": "x"}}}]}', ANYTHING_BUT),
    ('{"a": [{"anything-but": {"equals-ignore-case": 123}}]}', TEXT_ONLY),
    ('{"a": [{"anything-but": {"equals-ignore-case": [123]}}]}', TEXT_ONLY),
    ('{"a": [{"anything-but": {"wildcard": 123}}]}', "wildcard match pattern must be a string"),
    ('{"a": [{"anything-but": {"wildcard": ["a**"]}}]}', "Consecutive wildcard characters"),
    ('{"a": [{"anything-but": {"prefix": "x", "suffix": "y"}}]}', "Only one key allowed"),
    ('{"a": [{"anything-but": 5000000001}]}', "Value must be between -5.0E9 and 5.0E9, inclusive"),
    ('{"a": [{"exists": "true"}]}', "exists match pattern must be either true or false."),
    ('{"a": [{"exists": 1}]}', "exists match pattern must be either true or false."),
    ('{"a": [{"numeric": 5}]}', "Value of numeric must be an array."),
    ('{"a": [{"numeric": []}]}', "Invalid member in numeric match: ]"),
    ('{"a": [{"numeric": [5]}]}', "Invalid member in numeric match: 5"),
    ('{"a": [{"numeric": ["!=", 5]}]}', "Unrecognized numeric range operator: !="),
    ('{"a": [{"numeric": ["="]}]}', "Value of equals must be numeric"),
    ('{"a": [{"numeric": ["<", "5"]}]}', "Value of < must be numeric"),
    ('{"a": [{"numeric": ["=", 5, "<", 6]}]}', "Too many elements in numeric expression"),
    ('{"a": [{"numeric": ["<", 5, ">", 1]}]}', "Too many elements in numeric expression"),
    ('{"a": [{"numeric": [">", 0, ">", 0]}]}', "Bad numeric range operator: >"),
    ('{"a": [{"numeric": [">", 0, 5]}]}', "Bad value in numeric range: 5"),
    ('{"a": [{"numeric": [">", 0, "<"]}]}', "Value of < must be numeric"),
    ('{"a": [{"numeric": [">", 0, "<", 5, "<", 6]}]}', "Too many terms in numeric range"),
    ('{"a": [{"numeric": [">", 5, "<", 5]}]}', "Bottom must be less than top"),
    ('{"a": [{"numeric": [">", 5, "<", 4]}]}', "Bottom must be less than top"),
    ('{"a": [{"numeric": ["=", 5000000000.1]}]}', "Value must be between -5.0E9 and 5.0E9"),
    ('{"a": [{"numeric": [">", -1e400]}]}', "Value must be between -5.0E9 and 5.0E9"),
    ('{"a": [{"numeric": [">", 1e99999999999999999999]}]}', "Value must be between -5.0E9 and"),
    ('{"a": [{"anything-but": 1e-99999999999999999999}]}', "Only values upto 6 decimals are"),
    ('{"a": [{"numeric": ["=", 0.1234567]}]}', "Only values upto 6 decimals are supported"),
    ('{"a": [{"NUMERIC": ["=", 5]}]}', "Unrecognized match type NUMERIC"),
    ('{"a": [{"cidr": ["10.0.0.0/8"]}]}', "prefix match pattern must be a string"),
    ('{"a": [{"cidr": "10.0.0.0"}]}', "Malformed CIDR, one '/' required"),
    ('{"a": [{"cidr": "10.0.0.0/8/8"}]}', "Malformed CIDR, one '/' required"),
    ('{"a": [{"cidr": "10.0.0.0/xx"}]}', "Malformed CIDR, mask bits must be an integer"),
    ('{"a": [{"cidr": "10.0.0.0/-1"}]}', "Malformed CIDR, mask bits must not be negative"),
    ('{"a": [{"cidr": "10.0.0.0/32"}]}', "IPv4 mask bits must be < 32"),
    ('{"a": [{"cidr": "::/128"}]}', "IPv6 mask bits must be < 128"),
    ('{"a": [{"cidr": "xx.11.xx/8"}]}', "Nonstandard IP address: xx.11.xx"),
    (
        '{"a": [{"cidr": "xxxx:db8:1234:1a00::/64"}]}',
        "Nonstandard IP address: xxxx:db8:1234:1a00::",
    ),
    ('{"$or": {"a": [1]}}', "It must be an Array followed with $or."),
    ('{"$or": [{"a": [1]}]}', "There must have at least 2 Objects in $or relationship."),
    ('{"$or": []}', "There must have at least 2 Objects in $or relationship."),
    ('{"$or": [{"a": [1]}, "b"]}', "Only JSON object is allowed in array of $or relationship."),
    ('{"$or": [{"a": [1]}, {}]}', "Empty objects are not allowed"),
    ('{"$or": [{"prefix": ["x"]}, {"b": [1]}]}', "prefix is Ruler reserved fieldName"),
]  # fmt: skip  a case a line


@pytest.mark.parametrize(("pattern", "reason"), INVALID)
def test_an_invalid_pattern_is_refused_with_the_reason_of_aws(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError) as refused:
        compile_pattern(pattern)

    assert reason in refused.value.reason
    assert str(refused.value) == f"Event pattern is not valid. Reason: {refused.value.reason}"


def test_a_thousand_combinations_of_or_are_accepted_and_one_more_is_not() -> None:
    def pattern(*sizes: int) -> str:
        ors = {
            f"d{place}": {"$or": [{f"f{number}": [1]} for number in range(size)]}
            for place, size in enumerate(sizes)
        }
        return json.dumps(ors)

    matches = compile_pattern(pattern(10, 10, 10))

    assert matches({f"d{place}": {"f9": 1} for place in range(3)})
    with pytest.raises(PatternError, match="more than 1000 rule combinations"):
        compile_pattern(pattern(7, 11, 13))


def test_a_pattern_nested_too_deep_is_refused() -> None:
    deep = '{"a":' * 50_000 + '["x"]' + "}" * 50_000

    with pytest.raises(PatternError):
        compile_pattern(deep)


KINESIS: FilterSource = "kinesis"
SQS: FilterSource = "sqs"
ABSENT: Any = object()


@pytest.mark.parametrize(
    ("source", "pattern", "content", "expected"),
    [
        (KINESIS, '{"data": {"a": [1]}}', '{"a": 1}', True),
        (KINESIS, '{"data": {"a": [1]}}', '{"a": 1.0}', False),
        (KINESIS, '{"data": {"a": [1]}}', "not json", False),
        (KINESIS, '{"data": {"a": [{"exists": false}]}}', '{"b": 1}', True),
        # What is no JSON fulfils nothing about its fields.
        (KINESIS, '{"data": {"a": [{"exists": false}]}}', "not json", False),
        (KINESIS, '{"partitionKey": ["k"]}', "not json", True),
        (KINESIS, '{"partitionKey": ["other"]}', '{"a": 1}', False),
        (KINESIS, '{"kinesis": {"data": {"a": [1]}}}', '{"a": 1}', False),
        (SQS, '{"body": {"a": [1]}}', '{"a": 1}', True),
        (SQS, '{"body": {"a": [1]}}', "plain", False),
        (SQS, '{"body": {"a": [{"exists": false}]}}', "plain", False),
        (SQS, '{"body": ["plain"]}', "plain", True),
        (SQS, '{"body": [{"prefix": "pl"}]}', "plain", True),
        (SQS, '{"body": ["plain"]}', '{"a": 1}', False),
        (SQS, '{"body": [{"exists": false}]}', '{"a": 1}', False),
    ],
)
def test_a_filter_judges_json_as_json_and_text_as_text(
    source: FilterSource,
    pattern: str,
    content: str,
    expected: bool,  # noqa: FBT001  a column of the table
) -> None:
    view: dict[str, Any] = {"partitionKey": "k"}
    try:
        view["data" if source == KINESIS else "body"] = parse_json(content)
    except ValueError:
        view.update({"body": content} if source == SQS else {})

    matches = compile_filter(pattern, source)

    assert matches(view) is expected


def test_a_stream_takes_no_pattern_of_plain_text() -> None:
    with pytest.raises(PatternError, match='"data" must be an object'):
        compile_filter('{"data": ["plain"]}', "kinesis")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{"dynamodb": {"NewImage": {"n": {"N": ["5"]}}}}', True),
        # Numbers are text in DynamoDB's records.
        ('{"dynamodb": {"NewImage": {"n": {"N": [{"numeric": ["=", 5]}]}}}}', False),
        ('{"dynamodb": {"NewImage": {"n": {"N": [5]}}}}', False),
        # An attribute is no leaf: its type is.
        ('{"dynamodb": {"NewImage": {"n": [{"exists": true}]}}}', False),
        ('{"dynamodb": {"NewImage": {"n": [{"exists": false}]}}}', True),
        ('{"dynamodb": {"NewImage": {"n": {"N": [{"exists": false}]}}}}', False),
        ('{"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 0]}]}}', True),
        ('{"eventName": ["INSERT"]}', True),
        ('{"userIdentity": {"type": ["Service"]}}', False),
    ],
)
def test_a_filter_of_a_table_stream_sees_the_types_of_dynamodb(
    pattern: str,
    expected: bool,  # noqa: FBT001  a column of the table
) -> None:
    record = {
        "eventName": "INSERT",
        "dynamodb": {"ApproximateCreationDateTime": 1_790_000_000, "NewImage": {"n": {"N": "5"}}},
    }

    assert compile_filter(pattern, "dynamodb")(record) is expected
