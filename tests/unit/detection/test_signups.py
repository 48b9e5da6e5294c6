import msgspec
import pytest

from pipeline.detection.accounts import BurstState
from pipeline.detection.signups import DomainState
from pipeline.users import UserChange
from tests.unit.detection.changes import ChangeFolds, change

HOUR = 3600.0
DAY = 24 * HOUR


def sign_up(
    number: int, at_s: float, email: str = "p@small.example", ip: str | None = None
) -> UserChange:
    address = {} if ip is None else {"signup_ip": ip}
    return change(number, at_s, "INSERT", now={"email": email} | address, user=f"u{number}")


def steady(count: int, every_s: float, email: str = "p@small.example") -> list[UserChange]:
    return [sign_up(number, number * every_s, email) for number in range(count)]


def test_a_domain_that_is_always_busy_is_judged_against_its_own_rate() -> None:
    busy = steady(7 * 24 * 12, 300)  # 12 an hour for a week
    end = 7 * DAY
    usual = [sign_up(10_000 + n, end + n * 50) for n in range(12)]
    folds = ChangeFolds()

    facts = folds.take([*busy, *usual])

    assert facts == []


def test_the_same_domain_ten_times_as_busy_is_a_burst() -> None:
    busy = steady(7 * 24 * 12, 300)
    burst = [sign_up(10_000 + n, 7 * DAY + n * 30) for n in range(20)]

    facts = ChangeFolds().take([*busy, *burst])

    (fact,) = facts
    assert fact.threshold == 16  # eight times the 2 that ten minutes usually have
    assert "the domain's own rate is 12.1 an hour" in fact.reasons


def test_a_rate_beyond_the_window_is_judged_over_less_time() -> None:
    busy = steady(20_000, 5, "p@gmail.com")
    burst = [sign_up(50_000 + n, 20_000 * 5 + n * 0.01, "p@gmail.com") for n in range(65)]

    facts = ChangeFolds().take([*busy, *burst])

    (fact,) = facts
    assert fact.threshold == 64
    assert fact.window_s is not None
    assert fact.window_s < 600


def test_domains_are_compared_without_regard_to_case_or_a_final_dot() -> None:
    emails = ["p@Small.example", "p@small.EXAMPLE", "p@small.example."]

    facts = ChangeFolds().take(sign_up(n, n, emails[n % 3]) for n in range(11))

    (fact,) = facts
    assert fact.subject == "small.example"


def test_a_burst_from_an_address_shows_neither_the_address_nor_a_user() -> None:
    facts = ChangeFolds().take(
        sign_up(n, n * 60, f"p@d{n}.example", "203.0.113.7") for n in range(11)
    )

    (fact,) = facts
    text = msgspec.json.encode(fact).decode()
    assert fact.title == "More than 10 sign-ups within 1 h from 203.0.113.x"
    assert "11 sign-ups within 1 h, of 11 e-mail domains" in fact.reasons
    assert "203.0.113.7" not in text
    assert "u1" not in text


def test_a_late_sign_up_lands_in_its_own_window() -> None:
    early = [sign_up(n, n * 10) for n in range(10)]
    later = [sign_up(100 + n, 5 * HOUR + n) for n in range(5)]

    facts = ChangeFolds().take([*early, *later, sign_up(50, 55)])

    assert [fact.edge for fact in facts] == ["opened"]


@pytest.mark.parametrize("name", ["signup_domain", "signup_address"])
def test_a_full_state_takes_no_more_than_two_write_units(name: str) -> None:
    folds = ChangeFolds()
    folds.take(sign_up(n, n * 0.1 + 1e9, ip="203.0.113.7") for n in range(200))

    sizes = [len(row) for (detector, _), row in folds.rows.items() if detector == name]

    assert sizes
    assert max(sizes) <= 1300


def test_the_first_states_are_empty() -> None:
    assert DomainState().weight == 0
    assert BurstState().recent.times == ()
