import json
from datetime import UTC, datetime

from pipeline.cli.demo.findings import Message, StoredAlert, first_copies, judge, message
from pipeline.cli.demo.held_back import HeldWindow
from pipeline.cli.demo.inbox import Notification
from pipeline.cli.traffic.incidents import PlantedIncident

KEY = "static_limit#web-7/cpu_usage"
INCIDENT = PlantedIncident(
    "CPU of web-7",
    KEY,
    datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
    datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
)
ALERT = StoredAlert(KEY, datetime(2026, 11, 21, 9, 6, tzinfo=UTC))
FIRST = Message("n-1", "a-1", KEY, "first", "high", "cpu_usage above 90 %")
RESOLVED = Message("n-2", "a-1", KEY, "resolved", "high", "cpu_usage back below 80 %")
AT = datetime(2026, 11, 21, 9, 7, tzinfo=UTC)
TEXT = "FIRING HIGH: cpu\n\nSince:       4 min ago\nAlert id:    a-1\n"
PAGE = Notification("[FIRING]", TEXT, {"dedup_key": KEY, "status": "firing"}, AT)
RESOLVED_PAGE = Notification("[RESOLVED]", TEXT, {"dedup_key": KEY, "status": "resolved"}, AT)
LATER_COPY = PAGE._replace(body=TEXT.replace("4 min", "5 min"))

_RECORD_FIELDS = ("alert_id", "dedup_key", "notification_reason", "severity", "title")


def _problem(alerts: list[StoredAlert], messages: list[Message], pages: list[Notification]) -> str:
    (finding,) = judge([INCIDENT], alerts, messages, pages).planted
    return finding.problem


def test_one_alert_told_once_on_each_topic_is_right() -> None:
    (finding,) = judge([INCIDENT], [ALERT], [FIRST], [PAGE]).planted

    assert (finding.alert_id, finding.severity, finding.problem) == ("a-1", "high", "")


def test_an_end_that_is_told_too_is_right() -> None:
    problem = _problem([ALERT], [FIRST, RESOLVED], [PAGE, RESOLVED_PAGE])

    assert problem == ""


def test_an_incident_that_is_told_only_when_it_is_over_is_a_fault() -> None:
    problem = _problem([ALERT], [RESOLVED], [RESOLVED_PAGE])

    assert problem == "no first message on AlertsTopic"


def test_an_incident_without_an_alert_is_missed() -> None:
    assert _problem([], [], []) == "no alert"


def test_two_alerts_are_one_too_many() -> None:
    later = StoredAlert(KEY, datetime(2026, 11, 21, 9, 20, tzinfo=UTC))

    problem = _problem([ALERT, later], [FIRST], [PAGE])

    assert problem == "alert: 2 instead of one"


def test_an_alert_outside_of_the_incident_is_another_thing() -> None:
    early = StoredAlert(KEY, datetime(2026, 11, 21, 8, 59, 59, tzinfo=UTC))

    problem = _problem([early], [FIRST], [PAGE])

    assert problem == "its alert opened at 08:59:59, outside of the incident"


def test_an_alert_that_nobody_was_told_of_is_missed() -> None:
    assert _problem([ALERT], [], [PAGE]) == "no first message on AlertsTopic"
    assert _problem([ALERT], [FIRST], []) == "no page"


def test_a_second_page_is_one_too_many() -> None:
    assert _problem([ALERT], [FIRST], [PAGE, PAGE]) == "page: 2 instead of one"


def test_the_same_message_twice_is_a_fault() -> None:
    problem = _problem([ALERT], [FIRST, RESOLVED, RESOLVED], [PAGE])

    assert problem == "a message arrived twice"


def test_a_page_with_another_alert_id_is_a_fault() -> None:
    other = PAGE._replace(body=TEXT.replace("a-1", "a-2"))

    problem = _problem([ALERT], [FIRST], [other])

    assert problem == "its messages and its page bear different alert ids"


def test_copies_under_the_same_id_are_right_where_they_are_allowed_and_counted() -> None:
    findings = judge(
        [INCIDENT],
        [ALERT],
        [FIRST, FIRST, RESOLVED],
        [PAGE, LATER_COPY, PAGE, RESOLVED_PAGE],
        copies_allowed=True,
    )

    assert [finding.problem for finding in findings.planted] == [""]
    assert findings.copies == 3


def test_where_copies_are_allowed_another_id_is_still_one_too_many() -> None:
    second = FIRST._replace(notification_id="n-9", alert_id="a-2")
    second_page = PAGE._replace(body=TEXT.replace("a-1", "a-2"))

    messages = judge([INCIDENT], [ALERT], [FIRST, second], [PAGE], copies_allowed=True)
    pages = judge([INCIDENT], [ALERT], [FIRST], [PAGE, second_page], copies_allowed=True)

    assert messages.planted[0].problem == "first message on AlertsTopic: 2 instead of one"
    assert pages.planted[0].problem == "page: 2 instead of one"


def test_of_copies_the_first_stays() -> None:
    def arrived(notification_id: str, second: int) -> Notification:
        record = {"id": notification_id, **dict.fromkeys(_RECORD_FIELDS, "")}
        return Notification("", json.dumps(record), {}, AT.replace(second=second))

    first, other, again = arrived("n-1", 1), arrived("n-2", 2), arrived("n-1", 3)

    assert first_copies([first, other, again]) == [first, other]


def test_alerts_that_nobody_planted_are_listed_by_their_first_message() -> None:
    other = Message("n-3", "a-9", "static_limit#laptop/disk_usage", "first", "high", "disk")
    end = other._replace(notification_id="n-4", reason="resolved", title="disk fine")

    findings = judge([INCIDENT], [ALERT], [FIRST, other, end], [PAGE])

    assert findings.others == (other,)


def test_a_message_is_read_from_the_machine_record() -> None:
    record = {
        "id": "n-1",
        "alert_id": "a-1",
        "dedup_key": KEY,
        "notification_reason": "first",
        "severity": "high",
        "title": "cpu_usage above 90 %",
        "summary": "more",
    }

    assert message(Notification("subject", json.dumps(record), {}, AT)) == FIRST


def test_a_digest_is_read_with_what_it_stands_for() -> None:
    record = {
        "id": "n-9",
        "alert_id": "s-1",
        "dedup_key": "storm_digest#notifications",
        "notification_reason": "storm_digest",
        "severity": "high",
        "title": "2 held",
        "suppressed_count": 2,
        "digest": {"budget": 20},
    }

    assert message(Notification("subject", json.dumps(record), {}, AT)).stands_for == 2


def test_an_alert_that_the_page_budget_held_back_is_told_by_a_digest_of_its_window() -> None:
    held = ALERT._replace(alert_id="a-1", severity="high", held_back=2)
    digest = Message("n-9", "s-1", "storm_digest#notifications", "storm_digest", "high", "2", 2)
    subjects = frozenset({"web-7/cpu_usage", "web-8/cpu_usage"})
    window = HeldWindow("budget", 2, 2, False, frozenset({"static_limit"}), subjects)  # noqa: FBT003

    (told,) = judge([INCIDENT], [held], [digest], [], [window]).planted
    (silent,) = judge([INCIDENT], [held], [], [], [window]).planted
    (unnamed,) = judge([INCIDENT], [held], [digest], [], []).planted

    assert (told.problem, told.is_held_back, told.alert_id) == ("", True, "a-1")
    assert silent.problem == "no first message on AlertsTopic"
    assert unnamed.problem == "no first message on AlertsTopic"
