"""The benchmark programs run, with batches too small to measure anything by."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def event_flow() -> str:
    """Run the benchmark of the event flow as `make bench` does and give what it prints."""
    sizes = ("--records", "60", "--cpu-rounds", "1", "--wall-rounds", "1", "--wait-ms", "0")
    command = [sys.executable, "-m", "benchmarks.event_flow", *sizes]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_every_consumer_has_its_figures(event_flow: str) -> None:
    rows = re.findall(
        r"^(\S.{31}) +[\d,.]+ +(\d+)(?: +[\d,.]+ +[\d,]+)?$", event_flow, re.MULTILINE
    )

    calls = {name.strip(): int(number) for name, number in rows}

    assert calls.pop("ours, consumers.kinesis_events") > 0
    assert calls == {
        "(a) blog style": 6,
        "(b) Powertools docs style": 60,
        "bare limit, no SDK": 0,
    }


def test_every_goal_is_printed_with_its_figure(event_flow: str) -> None:
    goals = re.findall(r"^goal: (.+?) +measured: +\S+ +(?:met|MISSED)$", event_flow, re.MULTILINE)

    assert goals == [
        "at most 0.4 times the CPU of (a)",
        "at most 1/60 of the CPU of (b)",
        "at most 6 times the bare limit",
        "at least 6,900 records/s",
    ]


def test_thumbnails_are_measured_in_each_format_with_their_goals() -> None:
    command = [sys.executable, "-m", "benchmarks.thumbnails", "--megapixels", "1", "--rounds", "1"]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert re.findall(r"^(\w+) +[\d.]+ MB(?: +[\d.]+){5}$", run.stdout, re.MULTILINE) == [
        "JPEG",
        "PNG",
        "WEBP",
    ]
    goals = re.findall(r"^goal: (.+?) +measured: .+(?:met|MISSED)$", run.stdout, re.MULTILINE)
    assert goals == [
        "JPEG: at most 0.35 times the blog's CPU",
        "JPEG: at most 60 MB of memory",
    ]


@pytest.fixture(scope="module")
def event_sources() -> str:
    """Run the benchmark of the event sources as `make bench` does and give what it prints."""
    sizes = ("--batches", "2", "--rounds", "1")
    command = [sys.executable, "-m", "benchmarks.event_sources", *sizes]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_event_sources_have_their_figures_beside_the_plain_loops(event_sources: str) -> None:
    rows = re.findall(r"^(\S.{35}) +([\d,]+) +([\d.]+)$", event_sources, re.MULTILINE)

    assert [name.strip() for name, _, _ in rows] == [
        "stream to consumer",
        "queue to consumer",
        "plain loop in one process",
    ]
    assert all(int(rate.replace(",", "")) > 0 for _, rate, _ in rows)


def test_every_goal_of_the_event_sources_is_printed_with_its_figure(event_sources: str) -> None:
    goals = re.findall(
        r"^goal: (.+?) +measured: +\S+ +(?:met|MISSED)$", event_sources, re.MULTILINE
    )

    assert goals == ["at least 5,000 records/s", "at most 3 times the CPU of the loop"]
