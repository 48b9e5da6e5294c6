import random
from datetime import UTC, datetime, timedelta

from pipeline.cli.traffic.shoppers import (
    LONGEST_VISIT,
    Rhythm,
    payment,
    shopper,
    sign_in,
    visits,
)

START = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_a_customer_is_the_same_each_time() -> None:
    assert shopper(7, 12) == shopper(7, 12)
    assert shopper(7, 12) != shopper(8, 12)


def test_customers_have_addresses_of_their_own() -> None:
    addresses = {shopper(7, number).ip_address for number in range(3000)}

    assert len(addresses) == 3000


def test_the_rhythm_runs_from_start_to_end_faster_when_more_customers_are_about() -> None:
    rhythm = Rhythm(START, START + timedelta(hours=24))

    moments = [rhythm.moment(share / 100) for share in range(100)]

    assert moments[0] == START
    assert moments == sorted(moments)
    assert moments[-1] < START + timedelta(hours=24)
    evening = sum(18 <= moment.hour < 21 for moment in moments)
    night = sum(2 <= moment.hour < 5 for moment in moments)
    assert (evening, night) == (23, 1)  # 51 and 4 of 219 parts


def test_visits_end_in_time_and_cover_the_hours() -> None:
    until = NOON + timedelta(hours=2)

    moments = [event.at for event in visits(2000, 7, NOON, until)]

    assert len(moments) == 2000
    assert moments == sorted(moments)
    assert moments[0] - NOON < timedelta(minutes=2)
    assert until - LONGEST_VISIT - timedelta(minutes=5) < moments[-1] < until


def test_a_customer_comes_back_only_when_all_have_been_there() -> None:
    logins = [
        event.fields["user_id"]
        for event in visits(2000, 7, NOON, NOON + timedelta(hours=8))
        if event.fields.get("activity_type") == "login"
    ]

    assert len(set(logins[:350])) == 350


def test_a_payment_that_changes_its_status_keeps_its_transaction_id_and_amount() -> None:
    payments: dict[str, list[tuple[str, str]]] = {}

    for event in visits(5000, 7, NOON, NOON + timedelta(hours=8)):
        if event.fields["event_type"] == "transaction":
            told = (event.fields["status"], str(event.fields["amount"]))
            payments.setdefault(event.fields["transaction_id"], []).append(told)

    fates = {tuple(status for status, _ in told) for told in payments.values()}
    assert fates == {
        ("authorized",),
        ("authorized", "captured"),
        ("authorized", "declined"),
    }
    assert all(len({amount for _, amount in told}) == 1 for told in payments.values())


def test_a_sign_in_is_from_home_unless_it_says_otherwise() -> None:
    who = shopper(7, 1)

    usual = sign_in(random.Random(1), who, NOON)
    strange = sign_in(random.Random(1), who, NOON, fails=True, ip_address="192.0.2.1")

    assert usual.fields["location"]["city"] == who.home.name
    assert (usual.fields["activity_type"], usual.fields["ip_address"]) == ("login", who.ip_address)
    assert strange.fields["activity_type"] == "login_failed"
    assert strange.fields["ip_address"] == "192.0.2.1"


def test_a_moment_is_a_whole_millisecond_as_the_timestamp_says_it() -> None:
    made = payment(random.Random(1), shopper(7, 1), NOON.replace(microsecond=123_999), 12.5)

    assert made.at == NOON.replace(microsecond=123_000)
    assert made.fields["timestamp"] == "2026-11-21T12:00:00.123+00:00"
