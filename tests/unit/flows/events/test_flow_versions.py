"""Two versions of the code on one shard, as during a deployment and after a roll-back."""

import hashlib
import json
from typing import Any

import msgspec

from pipeline.detection.detector import detectors, pooled_detectors
from pipeline.detection.rules import default_rules
from pipeline.detection.signups import change_detectors
from pipeline.detection.standing import Standing
from pipeline.flows.alerts.checkup import STATE_KEY
from pipeline.flows.events.watches import DriftWatch, HeartbeatWatch
from tests.fakes.aws import FakeAws
from tests.unit.flows.events.batches import PerKey, Seen, cursor, flow, metric, seconds

FORMS = {
    "checkup#1": "106603adb099",
    "deletion#1": "a267daba7c85",
    "fraud_card#2": "1c040eb518c8",
    "fraud_merchant#2": "d00ed40b93f4",
    "fraud_tally#1": "fd9f944ee41f",
    "heartbeats#1": "bb0d5d017daf",
    "login_address#1": "31922bdf6f8b",
    "login_failures#1": "4de1105c47af",
    "login_shard#1": "48d18da1ca02",
    "login_user#1": "31922bdf6f8b",
    "metric#2": "f377025ffe72",
    "page_test#1": "4414f1b7ca77",
    "payment#1": "fae8dd2daec9",
    "schema_drift#1": "0a46e3369fdb",
    "signup_address#1": "a267daba7c85",
    "signup_domain#1": "4a1408dbd350",
    "takeover#1": "a267daba7c85",
    "travel#1": "44c97eb9874d",
}
"""Digests of all states that a stack keeps. Another form needs another version, and a line here."""


class NextPerKey(PerKey):
    """The same detector with another form of its state."""

    version = 2


def seen(aws: FakeAws, detector: PerKey) -> int:
    row = aws.tables["states"][f"{detector.name}#{detector.version}#web-1", "shard-0"]
    return msgspec.msgpack.decode(row["state"]["B"], type=Seen).events


def test_versions_take_batches_in_turns_and_each_keeps_states_of_its_own() -> None:
    aws = FakeAws()
    old, new = flow(aws, [PerKey()]), flow(aws, [NextPerKey()])

    for number, environment in enumerate([old, new, old, old, new], start=1):
        environment.process([metric(10 * number + place, "web-1") for place in (0, 1)], seconds)

    assert len(aws.tables["metrics"]) == 10
    assert cursor(aws) == 51
    assert (seen(aws, PerKey()), seen(aws, NextPerKey())) == (6, 4)


def test_after_a_roll_back_the_old_version_goes_on_from_its_own_states() -> None:
    aws = FakeAws()
    flow(aws, [PerKey()]).process([metric(1, "web-1"), metric(2, "web-1")], seconds)
    flow(aws, [NextPerKey()]).process([metric(3, "web-1"), metric(4, "web-1")], seconds)

    flow(aws, [PerKey()]).process([metric(5, "web-1"), metric(6, "web-1")], seconds)

    assert (seen(aws, PerKey()), seen(aws, NextPerKey())) == (4, 2)


def test_a_cursor_with_attributes_of_a_later_version_is_read() -> None:
    aws = FakeAws()
    environment = flow(aws, [PerKey()])
    environment.process([metric(1, "web-1"), metric(2, "web-1")], seconds)
    aws.tables["states"]["cursor", "shard-0"]["of_tomorrow"] = {"S": "?"}

    flow(aws, [PerKey()]).process([metric(3, "web-1"), metric(4, "web-1")], seconds)

    assert (cursor(aws), seen(aws, PerKey())) == (4, 4)


def forms() -> dict[str, str]:
    """Return a digest of the form of each state, by the detector's or pool's name and version."""
    rules = default_rules()
    pooled = pooled_detectors(rules)
    kept: list[Any] = [
        *detectors(rules),
        *pooled,
        *(pool for detector in pooled for pool in detector.pools),
        *change_detectors(rules),
        HeartbeatWatch,
        DriftWatch,
    ]
    found = {f"{one.name}#{one.version}": digest(one.state_type) for one in kept}
    return found | {STATE_KEY.detector: digest(Standing)}


def digest(kind: type) -> str:
    text = json.dumps(bare(msgspec.json.schema(kind)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def bare(value: Any) -> Any:  # noqa: ANN401  a JSON value
    """Return a schema without what people read."""
    if isinstance(value, dict):
        return {name: bare(part) for name, part in value.items() if name != "description"}
    return [bare(part) for part in value] if isinstance(value, list) else value


def test_a_state_changes_its_form_with_its_version_alone() -> None:
    assert forms() == FORMS
