from typing import Any

import pytest

from pipeline.local.intrinsics import PhysicalResource, Resolver, TemplateError

TEMPLATE: dict[str, Any] = {
    "Conditions": {
        "Always": {"Fn::Equals": ["a", "a"]},
        "Never": {"Fn::Not": [{"Condition": "Always"}]},
        "Both": {"Fn::And": [{"Condition": "Always"}, {"Condition": "Never"}]},
        "Either": {"Fn::Or": [{"Condition": "Always"}, {"Condition": "Never"}]},
        "IsZero": {"Fn::Equals": [{"Ref": "Count"}, 0]},
        "Circular": {"Fn::Not": [{"Condition": "Circular"}]},
        "Unknown": {"Fn::Contains": [["a"], "a"]},
    },
    "Mappings": {"Retention": {"24": {"Age": 79200}}},
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Later": {"Type": "AWS::SQS::Queue"},
        "Absent": {"Type": "AWS::SQS::Queue", "Condition": "Never"},
    },
}


@pytest.fixture
def resolver() -> Resolver:
    made = Resolver(
        TEMPLATE,
        {"Count": "0", "Hours": "24", "Names": ["a", "b"]},
        {"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"},
    )
    made.resources["Queue"] = PhysicalResource("queue-url", {"Arn": "queue-arn"})
    return made


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        (7, 7),
        ({"Ref": "Hours"}, "24"),
        ({"Ref": "Names"}, ["a", "b"]),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "Queue"}, "queue-url"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "queue-arn"),
        ({"Fn::GetAtt": "Queue.Arn"}, "queue-arn"),
        ({"Fn::Sub": "${Queue}/${Queue.Arn}/${AWS::Region}"}, "queue-url/queue-arn/us-east-1"),
        ({"Fn::Sub": "${!Literal}-${Hours}"}, "${Literal}-24"),
        ({"Fn::Sub": ["${Hours}-${Own}", {"Own": {"Ref": "Queue"}}]}, "24-queue-url"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Hours"}, 3, True]]}, "a-24-3-true"),
        ({"Fn::Join": [",", {"Ref": "Names"}]}, "a,b"),
        ({"Fn::Select": ["1", {"Fn::Split": [":", "x:y:z"]}]}, "y"),
        ({"Fn::FindInMap": ["Retention", {"Ref": "Hours"}, "Age"]}, 79200),
        ({"Fn::Base64": "text"}, "dGV4dA=="),
        ({"Fn::If": ["Always", "yes", {"Ref": "Absent"}]}, "yes"),
        ({"Fn::If": ["Never", {"Ref": "Absent"}, "no"]}, "no"),
        ({"A": 1, "B": {"Ref": "AWS::NoValue"}}, {"A": 1}),
        ({"A": {"Fn::If": ["Never", 1, {"Ref": "AWS::NoValue"}]}}, {}),
        (["a", {"Ref": "AWS::NoValue"}, "b"], ["a", "b"]),
        ({"Condition": {"Bool": {"aws:SecureTransport": False}}},) * 2,
    ],
)
def test_a_function_gives_its_value(resolver: Resolver, value: object, expected: object) -> None:
    assert resolver.resolve(value, "here") == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("Always", True),
        ("Never", False),
        ("Both", False),
        ("Either", True),
        ("IsZero", True),
    ],
)
def test_a_condition_holds_or_not(resolver: Resolver, condition: str, *, expected: bool) -> None:
    assert resolver.holds(condition, "here") is expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Fn::Cidr": ["10.0.0.0/8", 1, 8]}, r"here\.Key\.Fn::Cidr: .* does not know Fn::Cidr"),
        ({"Ref": "Nobody"}, r"here\.Key\.Ref: there is no parameter or resource 'Nobody'"),
        ({"Ref": "Later"}, "Later is referred to before it is created"),
        ({"Ref": "Absent"}, "Absent is not created because condition Never is false"),
        (
            {"Fn::GetAtt": ["Queue", "Colour"]},
            r"no attribute 'Colour' of Queue \(AWS::SQS::Queue\)",
        ),
        ({"Fn::Sub": "${Nobody.Arn}"}, "there is no parameter or resource 'Nobody'"),
        ({"Fn::Sub": "${AWS::NoValue}"}, "text is needed here, not AWS::NoValue"),
        ({"Fn::Join": ["-", [{"Ref": "Names"}]]}, "text is needed here"),
        ({"Fn::Join": ["-"]}, "2 arguments are needed"),
        ({"Fn::Select": [2, ["a", "b"]]}, "Fn::Select finds nothing"),
        ({"Fn::Select": [-1, ["a", "b"]]}, "Fn::Select finds nothing"),
        ({"Fn::FindInMap": ["Retention", "25", "Age"]}, "no Retention / 25 / Age in Mappings"),
        ({"Fn::If": ["Nowhere", 1, 2]}, "there is no condition 'Nowhere'"),
        ({"Fn::If": ["Circular", 1, 2]}, "there is no condition 'Circular'"),
        ({"Fn::If": ["Unknown", 1, 2]}, r"Conditions\.Unknown.* does not know Fn::Contains"),
        ({"Ref": "Queue", "Other": 1}, "Ref must stand alone"),
    ],
)
def test_a_fault_is_named_with_its_place(resolver: Resolver, value: object, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        resolver.resolve({"Key": value}, "here")


def test_references_follow_the_branches_that_conditions_choose(resolver: Resolver) -> None:
    value = {
        "A": {"Ref": "Queue"},
        "B": [{"Fn::GetAtt": ["Later", "Arn"]}],
        "C": {"Fn::Sub": ["${One.Arn} ${!No} ${Own}", {"Own": {"Ref": "Two"}}]},
        "D": {"Fn::If": ["Never", {"Ref": "Absent"}, {"Ref": "Three"}]},
    }

    names = set(resolver.references(value, "here"))

    assert names == {"Queue", "Later", "One", "Two", "Three"}
