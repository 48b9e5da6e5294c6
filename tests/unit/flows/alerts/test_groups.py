"""What people hear of alerts that have no page of their own."""

import pytest

from pipeline.detection.anomaly import Anomaly
from pipeline.flows.alerts.hands import Hand, acknowledge
from tests.fakes.alert_world import World, payment_fact
from tests.fakes.alerts import NOON, cpu_fact


def host(number: int, **changes: object) -> Anomaly:
    name = f"web-{number}"
    return cpu_fact(**{"subject": f"{name}/cpu_usage", "source": name} | changes)


def calm(number: int) -> Anomaly:
    return host(number, edge="cleared", event_id="e-3", occurred_at=NOON)


def silent(number: int, **changes: object) -> Anomaly:
    fields: dict[str, object] = {
        "rule_id": "pipeline_silent_source",
        "severity": "medium",
        "subject": f"host {number}",
        "source": f"{number}",
        "component": "sources",
        "labels": {"host": f"{number}"},
    }
    return cpu_fact(**(fields | changes))


@pytest.fixture
def world() -> World:
    return World()


def test_a_group_gets_one_page_and_one_update_for_all_others(world: World) -> None:
    world.take(*(host(number) for number in range(60)))

    world.wait(30)
    world.wait(300)

    assert world.reasons == ["first", "group"]
    update = world.pages[1]
    assert update["alert_id"] == world.pages[0]["alert_id"]
    assert update["group_count"] == 60
    assert len(world.pager.sent) == 4


def test_members_that_come_later_are_told_at_the_window_s_end(world: World) -> None:
    world.take(host(1), host(2))
    world.wait(30)
    world.take(host(3), host(4))

    world.wait(60)
    early = list(world.reasons)
    world.wait(240)

    assert early == ["first", "group"]
    assert world.reasons == ["first", "group", "group"]


def test_a_more_severe_member_is_paged_at_once(world: World) -> None:
    world.take(host(1), host(2, severity="critical"))

    assert world.told == [("first", "high"), ("first", "critical")]


def test_a_group_s_update_without_room_stands_in_the_digest_with_its_members(
    world: World,
) -> None:
    world.take(*(payment_fact(number) for number in range(20)), host(1), host(2), host(3))

    world.wait(60)
    world.wait(60)

    (digest, *_) = [page for page in world.pages if page["digest"]]
    assert [share["name"] for share in digest["digest"]["subjects"]] == ["web-1/cpu_usage"]
    budget = next(one for (account, _), one in world.ledger.accounts.items() if account == "budget")
    assert set(budget.subjects) == {
        "web-1/cpu_usage",
        "web-1/cpu_usage and 2 more of its group",
    }


def test_the_end_of_members_is_told_where_they_were_told(world: World) -> None:
    world.take(*(host(number) for number in range(1, 6)))
    world.wait(60)

    world.take(calm(2), calm(3))
    world.wait(60)

    assert world.reasons == ["first", "group", "group"]
    first, _, end = world.pages
    assert (end["alert_id"], end["status"], end["group_over"]) == (
        first["alert_id"],
        "update",
        True,
    )
    assert end["group_members"] == ["web-2/cpu_usage", "web-3/cpu_usage"]
    assert end["annotations"]["change"] == ("over by now: web-2/cpu_usage, web-3/cpu_usage")


def test_the_end_of_members_does_not_open_an_alert_again_that_is_over(world: World) -> None:
    world.take(host(1), host(2))
    world.wait(60)

    world.take(calm(1), calm(2))
    world.wait(60)

    assert world.reasons == ["first", "group", "resolved", "group"]
    assert world.pages[-1]["status"] == "resolved"
    assert world.pages[-1]["metadata"]["threadId"] == world.pages[0]["metadata"]["threadId"]


def test_what_a_digest_alone_told_of_ends_in_the_storm_s_thread(world: World) -> None:
    world.take(*(payment_fact(number) for number in range(60)))
    world.wait(60)

    for _ in range(70):
        world.wait(60)

    assert world.reasons.count("storm_digest") == 1
    (end,) = [page for page in world.pages if page["group_over"]]
    assert (end["rule_id"], end["status"], end["group_count"]) == ("storm_digest", "resolved", 41)
    assert not any(world.alert(payment_fact(number)).firing for number in range(60))
    assert len(world.pages) == 20 + 1 + 20 + 1 + 1  # firsts, digest, their ends, its end, the rest


def test_when_the_row_that_spoke_is_gone_another_member_speaks(world: World) -> None:
    world.take(host(1), host(2), host(3))
    world.store.rows.pop(next(key for key in world.store.rows if "web-1" in key[0]))

    world.wait(60)
    world.take(calm(2))

    first, update, end = world.pages
    assert update["alert_id"] != first["alert_id"]
    assert (update["entity"], update["status"]) == ("web-2", "update")
    assert update["group_members"] == ["web-3/cpu_usage"]
    assert (end["alert_id"], end["status"]) == (update["alert_id"], "resolved")


def test_when_every_row_is_gone_nobody_speaks(world: World) -> None:
    world.take(host(1), host(2))
    world.store.rows.clear()

    report = world.wait(60)

    assert report.failures == ()
    assert world.reasons == ["first"]


def test_a_member_that_still_fires_speaks_for_one_that_is_over(world: World) -> None:
    world.take(host(1), host(2), host(3), calm(1))

    world.wait(60)

    assert world.reasons == ["first", "resolved", "group"]
    assert (world.pages[-1]["entity"], world.pages[-1]["status"]) == ("web-2", "update")


def test_members_that_have_come_and_gone_open_nothing(world: World) -> None:
    world.take(host(1), host(2), calm(1), calm(2))

    world.wait(60)

    assert world.reasons[:2] == ["first", "resolved"]
    assert {page["status"] for page in world.pages[2:]} == {"resolved"}


def test_a_rise_of_many_members_is_one_page_and_one_update(world: World) -> None:
    hosts = range(40)
    world.take(*(host(number) for number in hosts))
    world.wait(60)

    world.take(*(host(n, edge="escalated", event_id="e-2", severity="critical") for n in hosts))
    world.wait(60)

    assert world.told == [
        ("first", "high"),
        ("group", "high"),
        ("severity", "critical"),
        ("group", "critical"),
    ]


def test_a_member_without_a_page_that_somebody_takes_over_is_told(world: World) -> None:
    world.take(host(1), host(2))
    world.wait(60)
    world.by_hand(host(2), lambda alert: acknowledge(alert, Hand(by="ann", at=NOON, note="mine")))

    world.wait(60)

    assert world.reasons == ["first", "group", "acknowledged"]
    assert (world.pages[-1]["actor"], world.pages[-1]["note"]) == ("ann", "mine")


def test_a_stream_that_stops_pages_once_however_many_sources_are_silent(world: World) -> None:
    sources = range(300)
    world.take(*(silent(number) for number in sources))
    world.wait(60)
    world.take(*(silent(n, edge="escalated", event_id="e-2", severity="high") for n in sources))
    world.wait(60)

    world.take(*(silent(n, edge="cleared", event_id="e-3", severity="high") for n in sources))
    world.wait(60)

    assert world.told == [
        ("first", "medium"),
        ("group", "medium"),
        ("severity", "high"),
        ("group", "high"),
        ("resolved", "high"),
        ("group", "high"),
    ]
