from collections.abc import Iterator
from typing import Any

import boto3
import msgspec
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from pipeline.adapters.rule_parameter import ParameterRules, PerRules
from pipeline.detection.rules import default_rules
from pipeline.flows.alerts.checkup_ports import RulesFault
from tests.fakes.alerts import FakeClock

NAME = "/streamwarden/rules"
STAGED = "[mass_deletion]\nstaged = true"
INVALID = "[mass_deletion]\nstaged = 3"
WRONG = "override of the rules: Expected `bool`, got `int` - at `$.mass_deletion.staged`"


@pytest.fixture
def ssm() -> Iterator[Any]:
    with mock_aws():
        yield boto3.Session("test", "test", region_name="eu-central-1").client("ssm")


def put(ssm: Any, text: str) -> None:  # noqa: ANN401  a client without stubs
    ssm.put_parameter(Name=NAME, Value=text, Type="String", Overwrite=True)


def test_without_a_parameter_the_packaged_rules_hold(ssm: Any) -> None:  # noqa: ANN401  a client
    rules = ParameterRules(ssm, NAME, FakeClock())

    assert rules.current() == default_rules()
    assert rules.faults() == []


def test_a_change_is_followed_within_a_minute_and_not_asked_for_sooner(ssm: Any) -> None:  # noqa: ANN401  a client
    clock = FakeClock()
    rules = ParameterRules(ssm, NAME, clock)
    rules.current()
    put(ssm, STAGED)

    clock.advance(59)
    before = rules.current()
    clock.advance(1)
    after = rules.current()

    assert not before.mass_deletion.staged
    assert after.mass_deletion.staged
    assert rules.current() is after


def test_an_invalid_override_leaves_the_last_good_rules_until_it_is_mended(ssm: Any) -> None:  # noqa: ANN401  a client
    clock = FakeClock()
    rules = ParameterRules(ssm, NAME, clock)
    put(ssm, STAGED)
    good = rules.current()
    put(ssm, INVALID)

    clock.advance(60)
    kept, faults = rules.current(), rules.faults()
    ssm.delete_parameter(Name=NAME)
    clock.advance(60)

    assert kept is good
    assert faults == [RulesFault(NAME, 2, WRONG)]
    assert rules.current() == default_rules()
    assert rules.faults() == []


def test_a_new_environment_goes_back_to_the_newest_version_that_is_valid(ssm: Any) -> None:  # noqa: ANN401  a client
    for text in (STAGED, INVALID, "also wrong"):
        put(ssm, text)

    rules = ParameterRules(ssm, NAME, FakeClock())

    assert rules.current().mass_deletion.staged
    assert [fault.version for fault in rules.faults()] == [3]


def test_a_new_environment_without_a_valid_version_has_the_packaged_rules(ssm: Any) -> None:  # noqa: ANN401  a client
    put(ssm, INVALID)

    rules = ParameterRules(ssm, NAME, FakeClock())

    assert rules.current() == default_rules()


def test_what_cannot_be_read_is_told_at_the_third_failure_and_forgotten_with_the_next_answer() -> (
    None
):
    client = boto3.Session("test", "test", region_name="eu-central-1").client("ssm")
    clock = FakeClock()
    rules = ParameterRules(client, NAME, clock)
    told = []
    with Stubber(client) as stubber:
        for _ in range(3):
            stubber.add_client_error("get_parameter", "AccessDeniedException")
        stubber.add_client_error("get_parameter", "ParameterNotFound")
        for _ in range(4):
            told.append([(fault.version, fault.reason[:28]) for fault in rules.faults()])
            clock.advance(60)

    assert told == [[], [], [(0, "the parameter cannot be read")], []]
    assert rules.current() == default_rules()


def test_what_is_built_lasts_until_the_rules_change() -> None:
    current = [default_rules()]
    built: list[int] = []

    def count(_: object) -> int:
        built.append(len(built))
        return built[-1]

    per_rules = PerRules(count, lambda: current[0])

    first = (per_rules(), per_rules())
    current[0] = msgspec.structs.replace(current[0])

    assert first == (0, 0)
    assert per_rules() == 1
