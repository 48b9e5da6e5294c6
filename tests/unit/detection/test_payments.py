from datetime import timedelta
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detection.incidents import Incident
from pipeline.detection.payments import LARGE_KEPT, RECENT_KEPT, PaymentDetector, PaymentState
from pipeline.detection.rules import default_rules
from pipeline.detection.windows import Window
from tests.unit.detection.series import START
from tests.unit.detection.users import Folds, Sent, activity, edges, payment

HOUR_S = 3600.0
BURST = [payment(i, 60.0 * i) for i in range(11)]
PAYMENTS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 200_000), st.integers(1, 4000)),
    max_size=29,
    unique_by=lambda one: one[0],
)


def sent(rows: list[tuple[int, int, int]]) -> list[Sent]:
    return [payment(number, at, str(amount)) for number, at, amount in rows]


def test_the_fact_about_a_large_payment_tells_the_whole_story() -> None:
    (fact,) = Folds().take([payment(1, 60, "12500.50")])

    assert fact.dedup_key == "transaction_amount#u1"
    assert fact.fact_key == "2026-03-02T08:01:00.000000Z#payment-1-None#opened"
    assert (fact.kind, fact.detector, fact.severity, fact.count) == (
        "event",
        "threshold",
        "high",
        1,
    )
    assert (fact.observed, fact.threshold, fact.unit) == (12500.5, 10000.0, "EUR")
    assert fact.title == "Payment of 12,500.50 EUR by u1"
    assert fact.expected == "at most 10,000.00 EUR"
    assert fact.reasons == (
        "12,500.50 EUR is 1.25 times the limit 10,000.00 EUR",
        "1 payment above its limit so far",
    )
    assert fact.labels == {"user_id": "u1"}
    assert fact.component == "payments"


def test_the_fact_about_many_payments_tells_the_whole_story() -> None:
    (fact,) = Folds().take(BURST)

    assert fact.dedup_key == "transaction_velocity#u1"
    assert fact.opened_at == START + timedelta(minutes=10)
    assert (fact.observed, fact.threshold, fact.window_s) == (11, 10, 3600)
    assert fact.title == "More than 10 payments within 1 h by u1"
    assert fact.expected == "at most 10 within 1 h"
    assert fact.reasons == (
        "11 payments within 1 h, 10 allowed",
        "220.00 in all within 1 h, 20,000.00 allowed",
        "1 payment too many so far",
    )


def test_the_fact_about_much_money_names_the_sum() -> None:
    (fact,) = Folds().take([payment(1, 0, "9000"), payment(2, 60, "9000"), payment(3, 90, "9000")])

    assert fact.title == "Payments of more than 20,000 within 1 h by u1"
    assert (fact.observed, fact.threshold) == (27000.0, 20000.0)
    assert fact.score == pytest.approx(1.35)


def test_one_payment_that_breaks_a_sum_is_told_in_the_singular() -> None:
    facts = Folds().take([payment(1, 0, "25000")])

    (fact,) = [one for one in facts if one.rule_id == "transaction_velocity"]
    assert fact.reasons[0] == "1 payment within 1 h, 10 allowed"


def test_a_currency_counts_in_the_sum_in_proportion_to_its_limit() -> None:
    yen = [payment(i, 60.0 * i, "1400000", "JPY") for i in range(3)]

    (fact,) = Folds().take(yen)

    assert fact.rule_id == "transaction_velocity"
    assert fact.observed == pytest.approx(28000, abs=0.05)


def test_many_large_payments_of_a_user_are_one_alert_and_those_of_two_users_are_two() -> None:
    folds = Folds()
    large = [payment(i, 60.0 * i, "10500", user=f"u{i % 2}") for i in range(8)]

    facts = [fact for fact in folds.take(large) if fact.rule_id == "transaction_amount"]

    assert [fact.dedup_key for fact in facts] == ["transaction_amount#u0", "transaction_amount#u1"]


def test_a_much_larger_payment_raises_the_severity_of_what_is_open() -> None:
    facts = Folds().take([payment(1, 0, "11000"), payment(2, 9, "100000.01")])

    assert edges(facts, "transaction_amount") == ["opened high", "escalated critical"]


def test_after_a_quiet_time_a_large_payment_opens_a_new_incident() -> None:
    large = [payment(1, 0, "11000"), payment(2, HOUR_S, "11000"), payment(3, 7201, "11000")]

    facts = [fact for fact in Folds().take(large) if fact.rule_id == "transaction_amount"]

    assert [fact.opened_at for fact in facts] == [START, START + timedelta(seconds=7201)]


def test_a_change_of_status_is_no_second_payment() -> None:
    folds = Folds()
    authorized = [payment(i, 60.0 * i, "9999", "SEK", status="authorized") for i in range(10)]
    captured = [payment(i, 700.0 + i, "9999", "SEK", status="captured") for i in range(10)]

    facts = folds.take([*authorized, *captured])

    assert facts == []
    assert len(folds.state("payment", "u1").recent.times) == 10


def test_a_large_payment_captured_after_many_others_is_told_once() -> None:
    others = [payment(100 + i, 86_400.0 * i, "5") for i in range(1, 41)]
    large = payment(1, 0, "20000", status="authorized")
    captured = payment(1, 86_400.0 * 50, "20000", status="captured")

    facts = Folds().take([large, *others, captured])

    assert edges(facts, "transaction_amount") == ["opened high"]


def test_a_payment_back_to_the_user_is_not_read() -> None:
    folds = Folds()

    facts = folds.take([payment(1, 0, "-90000"), payment(2, 9, "90000", status="REFUNDED")])

    assert facts == []
    assert folds.rows == {}


def test_an_activity_is_no_payment() -> None:
    event, _ = activity(1)

    assert PaymentDetector.under(default_rules()).subject(event) is None


def test_a_late_payment_is_judged_in_the_hour_in_which_it_was_made() -> None:
    morning, evening = BURST[:10], [payment(50, 40_000.0)]
    late = payment(51, 599.5)

    facts = Folds().take([*morning, *evening, late])

    assert edges(facts, "transaction_velocity") == ["opened high"]


def test_a_hundred_thousand_payments_of_one_user_yield_a_handful_of_facts() -> None:
    detector = PaymentDetector.under(default_rules())
    state, counts = detector.initial(), dict[str, list[int]]()

    for i in range(100_000):
        state, found = detector.fold(state, *payment(i, i * 0.01, "20000"))
        for fact in found:
            counts.setdefault(fact.rule_id, []).append(fact.count)

    tenfold = [1, 10, 100, 1_000, 10_000]
    assert counts == {
        "transaction_amount": [*tenfold, 100_000],
        "transaction_velocity": tenfold,
    }


def test_payments_folded_a_second_time_change_nothing() -> None:
    folds = Folds()
    sent_once = [payment(i, 60.0 * i, "20000" if i % 3 else "20") for i in range(40)]
    folds.take(sent_once)
    before = dict(folds.rows)

    facts = folds.take(sent_once)

    assert facts == []
    assert folds.rows == before


@settings(max_examples=60)
@given(PAYMENTS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_decide_what_is_found_nor_what_is_kept(
    rows: list[tuple[int, int, int]], order: Random
) -> None:
    in_order, shuffled = Folds(), Folds()
    mixed = list(rows)
    order.shuffle(mixed)

    found = bool(in_order.take(sent(sorted(rows, key=lambda row: row[1]))))
    found_mixed = bool(shuffled.take(sent(mixed)))

    assert found_mixed == found
    for name, user in in_order.rows:
        if name == "fraud_card":  # a card's usual amount follows the order of its payments
            continue
        recent = in_order.state(name, user).recent
        assert shuffled.state(name, user).recent == recent


def test_the_largest_state_fits_a_row_of_one_kilobyte() -> None:
    number = 1.2345678901234567e9
    size = RECENT_KEPT
    recent = Window((number,) * size, (2**32 - 1,) * size, (2**32 - 1,) * size)
    large = Window((number,) * LARGE_KEPT, (2**32 - 1,) * LARGE_KEPT, (0,) * LARGE_KEPT)
    precise = START + timedelta(microseconds=1)
    incident = Incident(0, number, precise, "critical", 2**40, 2**40, number)
    state = PaymentState(recent, large, incident, incident)

    packed = msgspec.msgpack.encode(state)

    assert len(packed) <= 850
    assert msgspec.msgpack.decode(packed, type=PaymentState) == state


def test_an_absurd_amount_still_fits_its_place() -> None:
    folds = Folds()

    facts = folds.take([payment(1, 0, "9" * 18)])

    assert folds.state("payment", "u1").recent.values == (2**32 - 1,)
    assert edges(facts, "transaction_amount") == ["opened critical"]
