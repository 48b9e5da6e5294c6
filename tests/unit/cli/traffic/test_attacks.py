from datetime import UTC, datetime, timedelta

from pipeline.cli.traffic.attacks import attacks

UNTIL = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def test_there_is_one_attack_of_each_kind() -> None:
    keys = [attack.incident.dedup_key for attack in attacks(7, UNTIL)]

    assert keys == [
        "transaction_amount#victim-01",
        "transaction_velocity#victim-02",
        "transaction_velocity#victim-03",
        "impossible_travel#victim-04",
        "failed_login_user#victim-05",
        "failed_login_address#a1df0d4e44fc834c",
    ]


def test_an_incident_lasts_from_the_first_to_the_last_of_its_events() -> None:
    for incident, events in attacks(7, UNTIL):
        moments = [event.at for event in events]
        assert moments == sorted(moments)
        assert (incident.starts_at, incident.ends_at) == (moments[0], moments[-1])
        assert timedelta(0) < UNTIL - moments[-1] <= timedelta(minutes=95)


def test_one_user_is_guessed_at_from_many_addresses_and_one_address_tries_many_users() -> None:
    *_, guessed, stuffed = attacks(7, UNTIL)

    users = [
        len({event.fields["user_id"] for event in attack.events}) for attack in (guessed, stuffed)
    ]
    addresses = [
        len({event.fields["ip_address"] for event in attack.events})
        for attack in (guessed, stuffed)
    ]
    assert users == [1, 50]
    assert addresses == [30, 1]
