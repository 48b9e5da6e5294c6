"""The fraud score's folds: whatever the order and the shards, and what people read."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from pipeline.detection import card as cards
from pipeline.detection import fraud_score, merchant, tally
from pipeline.detection.card import CardState
from pipeline.detection.merchant import Accused, Cleared, Merchant, Paid
from pipeline.detection.tally import Seen, Tally
from pipeline.events import FraudReport
from tests.unit.detection.series import START
from tests.unit.detection.users import Folds, Sent, payment

DAY = 20_000


def report(number: int, at_s: float, *, user: str = "u1", is_fraud: bool = True) -> Sent:
    event = FraudReport(
        transaction_id=f"t{number}",
        user_id=user,
        transaction_timestamp=START,
        is_fraud=is_fraud,
        timestamp=START + timedelta(seconds=at_s),
        merchant=UNSET,
    )
    return event, f"report-{number}-{at_s}"


ADDITIONS = st.one_of(
    st.builds(Paid, st.integers(DAY, DAY + 100)),
    st.integers(0, 30).map(lambda mark: Accused(mark, DAY + mark, mark % 64)),
)


@settings(max_examples=50)
@given(st.lists(st.tuples(ADDITIONS, st.integers(0, 3)), max_size=60), st.randoms())
def test_the_parts_of_shards_make_up_what_one_shard_would_have(additions, rng) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  hypothesis fills them
    alone = Merchant()
    for what, _ in additions:
        alone = merchant.note(alone, what)
    parts = [Merchant() for _ in range(4)]
    shuffled = sorted(additions, key=lambda _: rng.random())
    for what, shard in shuffled:
        # a payment and its reports have one shard
        place = what.mark % 4 if isinstance(what, Accused) else shard
        parts[place] = merchant.note(parts[place], what)

    whole = merchant.whole(parts)

    assert whole == merchant.whole([alone, Merchant()])


def test_a_busy_day_counts_to_its_end_and_is_the_same_in_parts() -> None:
    alone, parts = Merchant(), [Merchant(), Merchant()]
    for number in range(400):
        alone = merchant.note(alone, Paid(DAY))
        parts[number % 2] = merchant.note(parts[number % 2], Paid(DAY))

    assert alone.counts == b"\xff"
    assert merchant.whole(parts) == alone


ALIKE = (0, 1, 257, 65_793, 16_777_216, 16_843_009)
"""Marks whose bytes are also found across two others."""


@given(st.lists(st.sampled_from(ALIKE)))
def test_a_payment_is_found_by_its_own_mark_alone(marks: list[int]) -> None:
    card = CardState()

    for day, mark in enumerate(marks):
        card = cards.remember(card, mark, day, 5)

    found = {mark: known.day for mark in ALIKE if (known := cards.find(card, mark)) is not None}
    assert found == {mark: day for day, mark in enumerate(marks)}


CODES = st.integers(0, 4095).map(lambda code: code & ~32)  # suspicion is at most 2


@given(st.lists(st.builds(Seen, CODES, st.just(7), st.just(1), st.integers(0, 1))))
def test_the_parts_of_a_tally_add_up(seen: list[Seen]) -> None:
    alone, parts = Tally(), [Tally(), Tally(), Tally()]
    for number, one in enumerate(seen):
        alone = tally.count(alone, one)
        parts[number % 3] = tally.count(parts[number % 3], one)

    assert tally.total(parts) == alone


def test_a_report_that_comes_first_is_parked_until_its_payment_comes() -> None:
    parked = fraud_score.report(CardState(), 7, DAY, DAY, is_fraud=True)
    assert parked is not None
    paid = fraud_score.pay(parked.card, 7, DAY, 0.002)

    assert paid is not None
    (seen,) = paid.seen
    assert (seen.payments, seen.frauds) == (1, 1)
    assert [type(what) for what in paid.noted] == [Paid, Accused]


def test_a_report_repeated_changes_nothing_and_one_taken_back_leaves_no_trace() -> None:
    paid = fraud_score.pay(CardState(), 7, DAY, 0.002)
    assert paid is not None
    told = fraud_score.report(paid.card, 7, DAY, DAY + 7, is_fraud=True)
    assert told is not None
    again = fraud_score.report(told.card, 7, DAY, DAY + 8, is_fraud=True)
    back = fraud_score.report(told.card, 7, DAY, DAY + 9, is_fraud=False)

    assert again is None
    assert back is not None
    assert back.noted == (Cleared(7),)
    assert [seen.frauds for seen in (*told.seen, *back.seen)] == [1, -1]


def test_an_honest_report_teaches_nothing() -> None:
    paid = fraud_score.pay(CardState(), 7, DAY, 0.002)

    assert paid is not None
    assert fraud_score.report(paid.card, 7, DAY, DAY + 7, is_fraud=False) is None


def test_a_payment_is_counted_at_its_first_sight_alone() -> None:
    folds = Folds()

    folds.take([payment(1), payment(1, 60, status="captured"), payment(2), payment(1, 90)])

    (total,) = folds.totals.values()
    assert total.payments == 2


def test_states_stay_within_their_bytes() -> None:
    folds = Folds()

    folds.take(payment(number, number * 3600.0, f"{number + 1}.37") for number in range(400))
    folds.take(report(number, 2e6) for number in range(360, 400))
    shop = Merchant()
    for number in range(400):
        shop = merchant.note(shop, Paid(DAY + number // 7))
        shop = merchant.note(shop, Accused(2**32 - number - 1, DAY + number // 7, 4095))

    assert len(msgspec.msgpack.encode(folds.state("fraud_card", "u1"))) <= 512
    assert len(msgspec.msgpack.encode(shop)) <= 512


@pytest.mark.parametrize(("amount", "times"), [("104", "5.2"), ("200", "10.0")])
def test_the_reasons_name_how_far_an_amount_is_from_the_usual(amount: str, times: str) -> None:
    card = CardState(weight=10.0, sum=10 * 0.002)
    found = fraud_score.Score(0.9, 0.9, 0.0)

    why = fraud_score.reasons(found, card, float(amount) / 10_000, Merchant(), DAY)

    assert why == (f"amount {times} times this card's usual",)


def test_the_reasons_name_how_often_a_merchant_was_reported() -> None:
    shop = Merchant()
    for number in range(3):
        shop = merchant.note(shop, Accused(number, DAY - 9, 0))

    why = fraud_score.reasons(fraud_score.Score(0.9, 0.0, 0.9), CardState(), 0.1, shop, DAY)

    assert why == ("merchant reported 3 times in 4 weeks",)
