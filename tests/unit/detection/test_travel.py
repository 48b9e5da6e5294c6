from datetime import timedelta

import msgspec
import pytest

from pipeline.detection.incidents import Incident
from pipeline.detection.rules import default_rules
from pipeline.detection.travel import (
    ACCEPTED_KEPT,
    REFUSED_KEPT,
    TravelDetector,
    TravelState,
    distance_km,
)
from pipeline.detection.windows import Window
from pipeline.events import Location
from tests.unit.detection.series import START, point
from tests.unit.detection.users import BERLIN, POTSDAM, TOKYO, Folds, Sent, activity, edges, payment

HOUR_S = 3600.0
LEEDS = Location(latitude=53.8, longitude=-1.55)
SUVA = Location(latitude=-18.1, longitude=178.4)
APIA = Location(latitude=-13.8, longitude=-171.8)


def login(number: int, at_s: float, place: Location | str | None) -> Sent:
    return activity(number, at_s, "login", place=place)


def found(*sent: Sent) -> list[str]:
    return edges(Folds().take(sent), "impossible_travel")


def test_the_fact_about_a_leap_tells_the_whole_story() -> None:
    (fact,) = Folds().take([login(1, 0, BERLIN), payment(1, HOUR_S, place=TOKYO)])

    assert fact.dedup_key == "impossible_travel#u1"
    assert (fact.kind, fact.detector, fact.severity, fact.edge) == (
        "event",
        "geo",
        "high",
        "opened",
    )
    assert fact.opened_at == START + timedelta(hours=1)
    assert fact.title == "Impossible travel of 8,917 km within 1 h by u1"
    assert (round(fact.observed), fact.threshold, fact.unit) == (8917, 900.0, "km/h")
    assert fact.expected == "at most 900 km/h beyond 100 km"
    assert fact.reasons == (
        "payment at Tokyo, JP (35.7°N 139.7°E), 8,917 km within 1 h from 52.5°N 13.4°E: 8,917 km/h",
        "1 impossible position so far",
    )


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        (BERLIN, BERLIN, 0.0),
        (BERLIN, POTSDAM, 27.2),
        (BERLIN, TOKYO, 8916.0),
        (SUVA, APIA, 1148.0),  # across the date line
        (Location(latitude=90, longitude=0), Location(latitude=-90, longitude=77), 20015.0),
    ],
)
def test_distances_are_those_of_a_globe(one: Location, other: Location, km: float) -> None:
    found_km = distance_km(one.latitude, one.longitude, other.latitude, other.longitude)

    assert found_km == pytest.approx(km, rel=0.003, abs=0.1)


def test_a_flight_is_possible() -> None:
    assert found(login(1, 0, BERLIN), login(2, 12 * HOUR_S, TOKYO)) == []


def test_two_places_nearby_at_the_same_second_are_possible() -> None:
    assert found(login(1, 0, BERLIN), payment(1, 0, place=POTSDAM)) == []


def test_two_distant_places_at_the_same_second_are_not_and_the_speed_stays_finite() -> None:
    (fact,) = Folds().take([login(1, 0, BERLIN), payment(1, 0, place=TOKYO)])

    assert fact.observed == pytest.approx(8916 * 3600, rel=0.001)


def test_an_impossible_position_is_no_reference_for_the_next_ones() -> None:
    facts = Folds().take(
        [login(1, 0, BERLIN), login(2, 60, TOKYO), login(3, 120, BERLIN), login(4, 180, POTSDAM)]
    )

    assert [(fact.edge, fact.count) for fact in facts] == [("opened", 1)]


def test_a_wrong_reference_heals_once_the_journey_would_have_been_possible() -> None:
    folds = Folds()

    facts = folds.take(login(i, HOUR_S * i, BERLIN if i else TOKYO) for i in range(14))

    assert edges(facts, "impossible_travel") == ["opened high"]
    assert len(folds.state("travel", "u1").accepted.times) == 5


def test_a_late_position_is_compared_with_what_came_before_and_after_it() -> None:
    berlin_all_day = [login(i, HOUR_S * i, BERLIN) for i in range(7)]

    assert found(*berlin_all_day, login(9, 2.5 * HOUR_S, TOKYO)) == ["opened high"]
    assert found(*berlin_all_day, login(9, 2.5 * HOUR_S, POTSDAM)) == []


def test_a_late_position_on_the_way_makes_no_trouble() -> None:
    assert found(login(1, 0, BERLIN), login(2, 4 * HOUR_S, LEEDS), login(3, 60, POTSDAM)) == []


def test_a_position_older_than_all_that_are_kept_is_not_judged() -> None:
    newer = [login(i, HOUR_S * (1 + i), BERLIN) for i in range(ACCEPTED_KEPT)]

    assert found(*newer, login(99, 0, TOKYO)) == []


def test_latitude_and_longitude_zero_are_no_position() -> None:
    nowhere = Location(latitude=0.0, longitude=-0.0)
    folds = Folds()

    assert edges(folds.take([login(1, 0, nowhere)]), "impossible_travel") == []
    assert folds.rows == {}


@pytest.mark.parametrize(
    "sent",
    [
        activity(1, what="view", place=BERLIN),
        activity(1, what="login_failed", place=BERLIN),
        login(1, 0, "Berlin"),
        login(1, 0, None),
        payment(1, status="Captured", place=BERLIN),
        (point(1), "p1"),
    ],
)
def test_an_event_that_does_not_show_where_its_user_is_touches_no_state(sent: Sent) -> None:
    assert TravelDetector.under(default_rules()).subject(sent[0]) is None


def test_a_later_row_of_a_transaction_does_not_move_its_user() -> None:
    bought = payment(1, 0, status="authorized", place=BERLIN)
    arrived = login(1, 12 * HOUR_S, TOKYO)
    delivered = payment(1, 13 * HOUR_S, status="delivered", place=BERLIN)

    assert found(bought, arrived, delivered) == []


def test_positions_folded_a_second_time_change_nothing() -> None:
    folds = Folds()
    places = [BERLIN, TOKYO, POTSDAM, SUVA, BERLIN]
    sent = [login(i, HOUR_S * i, places[i % 5]) for i in range(120)]
    folds.take(sent)
    before = dict(folds.rows)

    facts = folds.take(sent)

    assert facts == []
    assert folds.rows == before


def test_a_hundred_thousand_positions_far_away_yield_six_facts() -> None:
    detector = TravelDetector.under(default_rules())
    state, _ = detector.fold(detector.initial(), *login(0, 0, BERLIN))
    counts = []

    for i in range(1, 100_001):
        state, facts = detector.fold(state, *login(i, i * 0.1, TOKYO))
        counts += [fact.count for fact in facts]

    assert counts == [1, 10, 100, 1_000, 10_000, 100_000]


def test_the_largest_state_fits_a_row_of_one_kilobyte() -> None:
    number = 1.2345678901234567e9
    accepted = Window(
        (number,) * ACCEPTED_KEPT, (2**32 - 1,) * ACCEPTED_KEPT, (2**64 - 1,) * ACCEPTED_KEPT
    )
    refused = Window((number,) * REFUSED_KEPT, (2**32 - 1,) * REFUSED_KEPT, (0,) * REFUSED_KEPT)
    precise = START + timedelta(microseconds=1)
    state = TravelState(
        accepted, refused, Incident(0, number, precise, "critical", 2**40, 2**40, number)
    )

    packed = msgspec.msgpack.encode(state)

    assert len(packed) <= 850
    assert msgspec.msgpack.decode(packed, type=TravelState) == state
