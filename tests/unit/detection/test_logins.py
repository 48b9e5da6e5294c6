from datetime import timedelta
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detection.incidents import Incident
from pipeline.detection.login_addresses import Failure, FailurePool
from pipeline.detection.logins import RECENT_KEPT, LoginDetector, LoginState, address
from pipeline.detection.rules import default_rules
from pipeline.detection.windows import Window
from tests.unit.detection.series import START
from tests.unit.detection.users import Folds, Sent, activity, edges, payment

BY_USER = LoginDetector.under(default_rules(), "user")
BY_ADDRESS = LoginDetector.under(default_rules(), "address")
PSEUDONYM = "fec52565aa0cf18f"


def guesses(count: int, every_s: float = 10.0) -> list[Sent]:
    """Return failures of one user, from three addresses in turn."""
    return [activity(i, every_s * i, address=f"203.0.113.{i % 3}") for i in range(count)]


def spraying(count: int, every_s: float = 10.0, users: int = 7) -> list[Sent]:
    """Return failures from one address, as several users in turn."""
    return [activity(i, every_s * i, user=f"u{i % users}") for i in range(count)]


def test_the_fact_about_a_guessed_password_tells_the_whole_story() -> None:
    (fact,) = Folds().take(guesses(11))

    assert fact.dedup_key == "failed_login_user#u1"
    assert (fact.kind, fact.detector, fact.severity) == ("event", "velocity", "medium")
    assert fact.opened_at == START + timedelta(seconds=100)
    assert fact.title == "More than 10 failed sign-ins within 10 min as u1"
    assert (fact.observed, fact.threshold, fact.unit) == (11, 10, "failed sign-ins")
    assert fact.window_s == 600
    assert fact.reasons == (
        "11 failed sign-ins within 10 min, from 3 addresses",
        "1 failure too many so far",
    )
    assert fact.labels == {"user_id": "u1"}


def test_the_fact_about_an_address_counts_its_users_and_does_not_tell_the_address() -> None:
    (fact,) = Folds().take(spraying(21))

    assert fact.dedup_key == f"failed_login_address#{PSEUDONYM}"
    assert fact.title == "More than 20 failed sign-ins within 10 min from 203.0.113.x"
    assert fact.source == "203.0.113.x"
    assert fact.labels == {"address": "203.0.113.x"}
    assert fact.reasons[0] == "21 failed sign-ins within 10 min, as 7 users"
    assert b"203.0.113.7" not in msgspec.json.encode(fact)


def test_a_state_does_not_hold_the_address() -> None:
    folds = Folds()

    folds.take(spraying(21))

    assert ("login_address", PSEUDONYM) in folds.rows
    assert not any(b"203.0.113" in row for row in folds.rows.values())


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("203.0.113.7", "203.0.113.x"),
        (" 203.0.113.7 ", "203.0.113.x"),
        ("::ffff:203.0.113.7", "203.0.113.x"),
        ("2001:db8:0:1::1", "2001:db8:0:x"),
        ("fe80::1%eth0", "fe80:0:0:x"),
        ("mobile", "an unreadable address"),
    ],
)
def test_an_address_is_masked(text: str, masked: str) -> None:
    assert address(text).masked == masked


def test_the_addresses_of_one_subscriber_are_one_subject() -> None:
    assert address("2001:db8:0:1::1") == address("2001:DB8:0:1:ffff::9")
    assert address("2001:db8:0:1::1").pseudonym != address("2001:db8:0:2::1").pseudonym
    assert address("::ffff:203.0.113.7") == address("203.0.113.7")


@pytest.mark.parametrize(
    "sent", [activity(1, what="login"), activity(1, what="view"), payment(1)], ids=str
)
def test_an_event_that_is_no_failed_sign_in_touches_no_state(sent: Sent) -> None:
    assert BY_USER.subject(sent[0]) is None
    assert BY_ADDRESS.subject(sent[0]) is None


@pytest.mark.parametrize("unknown", [None, ""])
def test_a_failure_without_an_address_counts_for_its_user_only(unknown: str | None) -> None:
    folds = Folds()

    (fact,) = folds.take(activity(i, i, "Login_Failed", unknown) for i in range(11))

    assert list(folds.rows) == [("login_user", "u1")]
    assert fact.reasons[0] == "11 failed sign-ins within 10 min, from 0 addresses"


def test_failures_spread_over_more_than_the_window_are_no_burst() -> None:
    assert Folds().take(guesses(200, every_s=60.0)) == []


def test_a_burst_across_a_round_ten_minutes_is_found() -> None:
    facts = Folds().take(activity(i, 595.0 + i, address=None) for i in range(11))

    assert edges(facts, "failed_login_user") == ["opened medium"]


def test_a_late_failure_counts_in_its_own_ten_minutes() -> None:
    early, later = guesses(10), activity(90, 3000.0)

    facts = Folds().take([*early, later, activity(91, 95.0)])

    assert edges(facts, "failed_login_user") == ["opened medium"]


def test_failures_folded_a_second_time_change_nothing() -> None:
    folds = Folds()
    sent = guesses(40)
    folds.take(sent)
    before = dict(folds.rows)

    facts = folds.take(sent)

    assert facts == []
    assert folds.rows == before


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 2000), max_size=29, unique=True),
    st.randoms(use_true_random=False),
)
def test_the_order_of_arrival_does_not_decide_what_is_found(
    moments: list[int], order: Random
) -> None:
    sent = [activity(at, at) for at in sorted(moments)]
    mixed = list(sent)
    order.shuffle(mixed)

    facts = Folds().take(sent)

    assert bool(Folds().take(mixed)) == bool(facts)


def test_a_hundred_thousand_failures_yield_a_handful_of_facts() -> None:
    for detector in (BY_USER, BY_ADDRESS):
        state, counts = detector.initial(), []

        for i in range(100_000):
            state, facts = detector.fold(state, *activity(i, i * 0.01))
            counts += [fact.count for fact in facts]

        assert counts == [1, 10, 100, 1_000, 10_000]


def test_the_largest_state_fits_a_row_of_one_kilobyte() -> None:
    number = 1.2345678901234567e9
    size = RECENT_KEPT
    recent = Window((number,) * size, (2**32 - 1,) * size, (2**32 - 1,) * size)
    precise = START + timedelta(microseconds=1)
    state = LoginState(recent, Incident(0, number, precise, "critical", 2**40, 2**40, number))

    packed = msgspec.msgpack.encode(state)

    assert len(packed) <= 850
    assert msgspec.msgpack.decode(packed, type=LoginState) == state


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 60)), max_size=70),
    st.lists(st.integers(0, 2), min_size=70, max_size=70),
    st.randoms(use_true_random=False),
)
def test_the_failures_of_all_shards_make_up_what_one_shard_would_have(
    failures: list[tuple[int, int]], shards: list[int], order: Random
) -> None:
    pool = FailurePool()
    whole, parts = pool.initial(), [pool.initial() for _ in range(3)]
    dealt = [
        (Failure(float(at), number, 7), shard)
        for (number, at), shard in zip(dict(failures).items(), shards, strict=False)
    ]
    for failure, _ in dealt:
        whole = pool.add(whole, failure)
    order.shuffle(dealt)
    for failure, shard in dealt:
        parts[shard] = pool.add(parts[shard], failure)

    assert pool.total(parts) == whole
