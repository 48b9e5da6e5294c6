from datetime import UTC, datetime

from pipeline.cli.demo.inbox import Notification
from pipeline.cli.demo.samples import samples

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def _page(key: str, status: str, subject: str = "[FIRING:1][HIGH] cpu") -> Notification:
    return Notification(subject, f"{key} {status}", {"dedup_key": key, "status": status}, AT)


def test_there_is_one_page_of_each_kind_of_the_first_planted_incident() -> None:
    pages = [
        _page("a", "firing"),
        _page("storm", "update", "[DIGEST] 27 notifications held back"),
        _page("a", "resolved"),
        _page("b", "firing"),
        _page("b", "update"),
        _page("b", "resolved"),
    ]

    found = [(what, page.body) for what, page in samples(pages, ["b", "a"])]

    assert found == [
        ("a first page", "b firing"),
        ("an update", "b update"),
        ("a digest", "storm update"),
        ("a resolve", "b resolved"),
    ]


def test_a_kind_that_did_not_arrive_is_left_out() -> None:
    found = [what for what, _ in samples([_page("a", "firing")], [])]

    assert found == ["a first page"]
