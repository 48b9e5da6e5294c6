import io

import click
import pytest
from rich.console import Console

from pipeline.cli.demo.local import event_printer, plain_words
from pipeline.local.faults import INJECTED
from pipeline.local.run import RunError, RunEvent


def _shown(event: RunEvent, *, logs: bool = False) -> str:
    console = Console(width=60, file=io.StringIO(), record=True)
    event_printer(console, logs=logs)(event)
    return console.export_text()


def test_a_failure_is_shown_with_the_functions_last_lines() -> None:
    event = RunEvent(
        "failure", "KinesisEventsFunction", "KeyError: 'x'", ("Traceback", "[ERROR] KeyError")
    )

    assert _shown(event) == (
        "failure KinesisEventsFunction: KeyError: 'x'\n    Traceback\n    [ERROR] KeyError\n"
    )


def test_a_problem_is_shown() -> None:
    event = RunEvent("problem", "EventsMapping", "the stream is gone")

    assert _shown(event) == "problem EventsMapping: the stream is gone\n"


def test_log_lines_are_shown_only_when_asked_for() -> None:
    event = RunEvent("log", "KinesisEventsFunction", '{"message":"batch processed"}')

    assert _shown(event) == ""
    assert _shown(event, logs=True) == 'KinesisEventsFunction: {"message":"batch processed"}\n'


def test_what_the_user_has_asked_for_is_told_from_a_failure() -> None:
    event = RunEvent("fault", "KinesisEventsFunction", "injected: crash")

    assert _shown(event) == "fault KinesisEventsFunction: injected: crash\n"


def test_a_failure_that_a_fault_has_led_to_is_told_without_its_lines() -> None:
    message = f"RetryableError: put rows: InternalServerError: {INJECTED}"
    event = RunEvent("failure", "KinesisEventsFunction", message, ("Traceback", "[ERROR] x"))

    assert _shown(event) == f"failure KinesisEventsFunction: {message}\n"


def test_a_failure_that_comes_again_is_shown_at_each_power_of_ten() -> None:
    console = Console(width=60, file=io.StringIO(), record=True)
    show = event_printer(console, logs=False)

    for _ in range(25):
        show(RunEvent("failure", "Function", "timed out"))
    show(RunEvent("failure", "Other", "timed out"))

    assert console.export_text() == (
        "failure Function: timed out\n"
        "failure Function: timed out (10 times)\n"
        "failure Other: timed out\n"
    )


def test_an_error_of_the_run_ends_the_command_in_plain_words() -> None:
    with pytest.raises(click.ClickException, match="the stream is gone"), plain_words():
        raise RunError("the stream is gone")


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), plain_words():
        _ = 1 / 0
