"""The seeded users hold against the detectors: what is planted is found, and nothing else."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli.traffic.people import Crowd, PutUser, User, make_crowd
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import default_rules
from pipeline.detection.signups import change_detectors
from pipeline.users import Kind, UserChange, user_of

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def changes(crowd: Crowd) -> Iterable[UserChange]:
    """Yield the changes as the table's stream would, a tenth of a second apart."""
    users: dict[str, User] = {}
    for number, action in enumerate(crowd.actions()):
        before = users.get(action.user_id)
        after = action.user if isinstance(action, PutUser) else None
        kind: Kind = "REMOVE" if after is None else "MODIFY" if before else "INSERT"
        yield UserChange(
            change_id=f"c-{number}",
            sequence=f"{number:040}",
            kind=kind,
            user_id=action.user_id,
            timestamp=AT + number * timedelta(milliseconds=100),
            before=user_of(before) if before and after else None,
            after=user_of(after) if after else None,
        )
        if after:
            users[action.user_id] = after


def facts(crowd: Crowd) -> list[Anomaly]:
    found: list[Anomaly] = []
    for detector in change_detectors(default_rules()):
        states: dict[str, object] = {}
        for change in changes(crowd):
            subject = detector.subject(change)
            if subject is not None:
                state = states.get(subject, detector.initial())
                states[subject], told = detector.fold(state, change)
                found += told
    return found


@pytest.mark.parametrize(("people", "seed"), [(20, 1), (60, 7), (600, 3)])
def test_each_planted_incident_is_found_and_nothing_else(people: int, seed: int) -> None:
    crowd = make_crowd(people, seed)

    found = {fact.dedup_key for fact in facts(crowd)}

    assert found == {plan.dedup_key for plan in crowd.plans}
    assert len(crowd.plans) == 4


def test_the_same_seed_gives_the_same_users() -> None:
    assert make_crowd(30, 7) == make_crowd(30, 7)
    assert make_crowd(30, 7) != make_crowd(30, 8)


def test_ordinary_users_and_planted_ones_sign_up_once_each() -> None:
    crowd = make_crowd(30, 7)

    who = [action.user_id for action in crowd.joining]

    assert len(who) == len(set(who)) == 30 + 1 + 25 + 14 + 14


def test_those_who_leave_change_nothing_before() -> None:
    crowd = make_crowd(30, 7)

    changing = {action.user_id for action in crowd.changing}

    assert changing.isdisjoint(action.user_id for action in crowd.leaving)


def test_fewer_people_than_a_crowd_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 20 people, not 19"):
        make_crowd(19, 7)
