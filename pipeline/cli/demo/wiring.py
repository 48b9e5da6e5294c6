"""What a SAM template wires to what: functions, what feeds them, what their roles let them write.

Nothing here is known about this pipeline: all of it is read from the template.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

KINDS: Final[Mapping[str, str]] = {
    "AWS::DynamoDB::Table": "DynamoDB",
    "AWS::Events::EventBus": "EventBridge",
    "AWS::Kinesis::Stream": "Kinesis",
    "AWS::S3::Bucket": "S3",
    "AWS::SNS::Topic": "SNS",
    "AWS::SQS::Queue": "SQS",
}
"""The types of resources that hold or pass on data, and what people call them."""

_SOURCE_PROPERTIES: Final = ("Stream", "Queue", "Bucket", "Topic", "EventSourceArn")
_WRITING: Final = re.compile(
    r"(BatchWrite|Delete(Item|Object)|PartiQL(Insert|Update)|Publish|Put|Send|Update)"
)
_READING: Final = re.compile(r"(BatchGet|Get|PartiQLSelect|Query|Scan)")
_REFERENCE: Final = re.compile(r"^\$\{(\w+)(?:\.\w+)?\}")

Access = Literal["write", "read and write"]
Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A resource that holds or passes on data; `part` is the prefix of keys in a bucket."""

    resource: str
    kind: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class EventSource:
    """What invokes a function: `source` is its resource, or the kind of event without one."""

    name: str
    source: str
    kind: str


@dataclass(frozen=True, slots=True)
class Target:
    """What a function's role lets it write to.

    `on_failure` tells a place that Lambda itself writes to, under the function's role, when it
    gives records up.
    """

    place: Place
    access: Access
    on_failure: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A function between what feeds it and what it writes to."""

    function: str
    sources: tuple[EventSource, ...]
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who hears of a topic; `condition` is the template's, empty when it always holds."""

    name: str
    topic: str
    protocol: str
    condition: str


@dataclass(frozen=True, slots=True)
class Wiring:
    """A template's functions in the order in which data flows, and who is told in the end."""

    steps: tuple[Step, ...]
    subscriptions: tuple[Subscription, ...]


def read_wiring(template: Mapping[str, Any]) -> Wiring:
    """Read the wiring out of a template as `load_template` returns it."""
    resources: Mapping[str, Mapping[str, Any]] = template["Resources"]
    steps = [
        Step(
            logical_id,
            tuple(_sources(logical_id, resources)),
            tuple(_targets(logical_id, resources)),
        )
        for logical_id, resource in resources.items()
        if resource.get("Type") in ("AWS::Serverless::Function", "AWS::Lambda::Function")
    ]
    return Wiring(tuple(_in_order(steps)), tuple(_subscriptions(resources)))


def _sources(function: str, resources: Mapping[str, Mapping[str, Any]]) -> Iterator[EventSource]:
    events = _properties(resources[function]).get("Events") or {}
    for name, event in events.items():
        yield _source(name, event["Type"], _properties(event), resources)
    for name, resource in resources.items():
        properties = _properties(resource)
        if (
            resource.get("Type") == "AWS::Lambda::EventSourceMapping"
            and _logical_id(properties.get("FunctionName")) == function
        ):
            yield _source(name, "EventSourceMapping", properties, resources)


def _source(
    name: str,
    kind: str,
    properties: Mapping[str, Any],
    resources: Mapping[str, Mapping[str, Any]],
) -> EventSource:
    for key in _SOURCE_PROPERTIES:
        source = _logical_id(properties.get(key))
        if source in resources:
            return EventSource(name, source, KINDS.get(resources[source]["Type"], kind))
    schedule = properties.get("Schedule") or properties.get("ScheduleExpression")
    return EventSource(name, schedule if isinstance(schedule, str) else kind, kind)


def _targets(function: str, resources: Mapping[str, Mapping[str, Any]]) -> Iterator[Target]:
    """Give the places of the role's statements in the template's order, each once."""
    written: dict[Place, None] = {}
    read: set[Place] = set()
    for statement in _statements(function, resources):
        verbs = [action.partition(":")[2] for action in _listed(statement.get("Action"))]
        places = list(_places(statement, resources))
        if any(verb == "*" or _WRITING.match(verb) for verb in verbs):
            written.update(dict.fromkeys(places))
        if any(verb == "*" or _READING.match(verb) for verb in verbs):
            read.update(places)
    given_up = set(_failure_destinations(function, resources))
    for place in written:
        access: Access = "read and write" if place in read else "write"
        yield Target(place, access, place.resource in given_up)


def _statements(function: str, resources: Mapping[str, Mapping[str, Any]]) -> Iterator[Statement]:
    properties = _properties(resources[function])
    role = _logical_id(properties.get("Role"))
    policies = _listed(properties.get("Policies"))  # SAM makes a role of them
    if role in resources:
        policies = [
            policy.get("PolicyDocument")
            for policy in _listed(_properties(resources[role]).get("Policies"))
        ]
    for policy in policies:
        for statement in _listed(policy.get("Statement") if isinstance(policy, dict) else None):
            if statement.get("Effect", "Allow") == "Allow":
                yield statement


def _places(statement: Statement, resources: Mapping[str, Mapping[str, Any]]) -> Iterator[Place]:
    for reference in _listed(statement.get("Resource")):
        logical_id = _logical_id(reference)
        kind = KINDS.get(resources[logical_id]["Type"]) if logical_id in resources else None
        if kind:
            yield Place(logical_id, kind, _part(reference))


def _failure_destinations(
    function: str, resources: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    events = list((_properties(resources[function]).get("Events") or {}).values())
    events += [one for one in resources.values() if one["Type"].endswith("EventSourceMapping")]
    for event in events:
        destinations = _properties(event).get("DestinationConfig") or {}
        yield _logical_id((destinations.get("OnFailure") or {}).get("Destination"))


def _subscriptions(resources: Mapping[str, Mapping[str, Any]]) -> Iterator[Subscription]:
    for name, resource in resources.items():
        if resource.get("Type") == "AWS::SNS::Subscription":
            properties = _properties(resource)
            topic = _logical_id(properties.get("TopicArn"))
            yield Subscription(name, topic, properties["Protocol"], resource.get("Condition", ""))


def _in_order(steps: list[Step]) -> Iterator[Step]:
    """Give each function after those that write to what feeds it; a circle in template order."""
    left = list(steps)
    while left:
        step = next((one for one in left if not _is_fed_by(one, left)), left[0])
        left.remove(step)
        yield step


def _is_fed_by(step: Step, others: list[Step]) -> bool:
    sources = {one.source for one in step.sources}
    written = {
        target.place.resource for other in others if other != step for target in other.targets
    }
    return bool(sources & written)


def _properties(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    return resource.get("Properties") or {}


def _listed(value: Any) -> list[Any]:  # noqa: ANN401  IAM takes one or a list of anything
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _logical_id(reference: object) -> str:
    """Return the resource that a `Ref`, `GetAtt` or the beginning of a `Sub` names, or nothing.

    Of an `If` it is the first case that names one: what the stack makes unless it is given another.
    """
    match reference:
        case {"Fn::If": [_, *cases]}:
            return next(filter(None, map(_logical_id, cases)), "")
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
        case {"Fn::Sub": str(text)} if found := _REFERENCE.match(text):
            return found[1]
        case {"Fn::Sub": [str(text), dict(values)]} if found := _REFERENCE.match(text):
            return _logical_id(values.get(found[1])) or found[1]
    return ""


def _part(reference: object) -> str:
    match reference:
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            return _REFERENCE.sub("", text).removeprefix("/").removesuffix("*")
    return ""
