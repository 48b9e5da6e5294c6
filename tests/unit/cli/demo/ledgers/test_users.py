from collections import Counter
from dataclasses import replace

from pipeline.cli.demo.ledgers.users import UsersFound, UsersLine, Welcome, draw_up_users
from pipeline.cli.traffic.people import Crowd, PutUser, RemoveUser

CROWD = Crowd(
    joining=(PutUser({"user_id": "ada"}), PutUser({"user_id": "ben"})),
    changing=(PutUser({"user_id": "ada", "locale": "de-DE"}),),
    leaving=(RemoveUser("ben"),),
    plans=(),
)
GOOD = UsersFound(
    joined=frozenset({"ada", "ben"}),
    profiles=frozenset({"ada"}),
    welcomes=(Welcome("ada", "w-1"), Welcome("ben", "w-2")),
    audit_rows=Counter({"ada": 1}),
    quarantine=(b'{"Keys":{"user_id":{"S":"broken"}}}',),
)


def _wrong(found: UsersFound, *, copies_allowed: bool = False) -> list[str]:
    lines = draw_up_users(CROWD, ["broken"], found, copies_allowed=copies_allowed)
    return [wrong for line in lines for wrong in line.wrong]


def test_users_who_have_what_they_must_have_balance() -> None:
    lines = draw_up_users(CROWD, ["broken"], GOOD)

    assert lines == [
        UsersLine("staying", users=1, profiles=1, welcomed=1, changes=1, audited=1),
        UsersLine("removed", users=1, profiles=1, welcomed=1, erased=1),
        UsersLine("refused", users=1, quarantined=1),
    ]
    assert all(line.balances for line in lines)


def test_a_sign_up_without_profile_or_welcome_is_wrong() -> None:
    found = replace(
        GOOD,
        joined=frozenset({"ben"}),
        profiles=frozenset(),
        welcomes=(Welcome("ben", "w-2"),),
    )

    assert _wrong(found) == [
        "ada signed up and got no profile",
        "ada signed up and was not welcomed",
    ]


def test_a_dead_letter_excuses_its_user() -> None:
    found = replace(GOOD, joined=frozenset({"ada"}), welcomes=(Welcome("ada", "w-1"),))

    lines = draw_up_users(CROWD, ["broken"], found, excused={"ben"})

    assert all(line.balances for line in lines)


def test_a_second_welcome_is_wrong_unless_it_is_a_copy_that_faults_excuse() -> None:
    copies = replace(GOOD, welcomes=(*GOOD.welcomes, Welcome("ada", "w-1")))
    other = replace(GOOD, welcomes=(*GOOD.welcomes, Welcome("ada", "w-3")))

    assert _wrong(copies) == ["ada was welcomed 2 times"]
    assert _wrong(copies, copies_allowed=True) == []
    assert _wrong(other, copies_allowed=True) == ["ada was welcomed by 2 jobs"]


def test_what_is_left_of_a_removed_user_is_wrong() -> None:
    found = replace(GOOD, profiles=frozenset({"ada", "ben"}))

    assert _wrong(found) == ["ben was removed and has a profile"]


def test_a_profile_that_vanished_and_a_change_without_its_row_are_wrong() -> None:
    found = replace(GOOD, profiles=frozenset(), audit_rows=Counter())

    assert _wrong(found) == ["ada has lost the profile", "ada: 1 changes, 0 audit rows"]


def test_a_row_that_breaks_the_contract_belongs_into_quarantine_alone() -> None:
    found = replace(GOOD, quarantine=(), welcomes=(*GOOD.welcomes, Welcome("broken", "w-4")))

    assert _wrong(found) == [
        "broken breaks the contract and is not in quarantine",
        "broken breaks the contract and was onboarded",
    ]


def test_a_profile_of_nobody_is_wrong() -> None:
    found = replace(GOOD, profiles=frozenset({"ada", "ghost"}))

    assert _wrong(found) == ["ghost never signed up"]
