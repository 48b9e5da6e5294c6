"""The benchmarks of the fraud score and of cloned cards, small, and the factory's interface."""

import re
import subprocess
import sys
from pathlib import Path

from benchmarks import clones, fraud
from benchmarks.fraud_simulator import Size, payments

ROOT = Path(__file__).resolve().parent.parent
SMALL = Size(customers=150, terminals=300, days=45)


def test_every_goal_of_the_fraud_score_is_printed_beside_the_published_figures() -> None:
    sizes = ("--seeds", "1", "--customers", "100", "--terminals", "200", "--days", "43")
    command = [sys.executable, "-m", "benchmarks.fraud", *sizes]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert "XGBoost (handbook)                  0.869  0.687  0.303" in run.stdout
    goals = re.findall(r"^goal: (.+?) +measured: +\S+ +(met|MISSED)$", run.stdout, re.MULTILINE)
    assert [verdict for goal, verdict in goals if "bytes" in goal] == ["met", "met"]
    assert [goal for goal, _ in goals] == [
        "AUC at least 0.87",
        "AP at least 0.71",
        "CP@100 at least 0.30",
        "AP at least 0.68, one in five untold",
        "AP at least 0.85 without reports",
        "at most 20 us a payment",
        "at most 512 bytes a card",
        "at most 512 bytes a merchant",
    ]


def test_payments_are_the_same_for_a_seed_and_have_frauds_of_each_kind() -> None:
    made = payments(1, SMALL)

    assert made == payments(1, SMALL)
    assert {payment.kind for payment in made} == {0, 1, 2, 3}


def test_reports_that_payments_were_honest_change_no_score() -> None:
    made = payments(1, SMALL)

    assert fraud.scores(made, fraud.factory(), cleared=True) == fraud.scores(made, fraud.factory())


def test_area_and_precision_are_those_of_the_textbook() -> None:
    ranked = [(0.9, True), (0.8, False), (0.7, True), (0.6, False)]

    area, precision = fraud.curve(ranked)

    assert area == 0.75
    assert round(precision, 4) == 0.8333


def test_every_cloned_card_is_found_and_no_traveller_is_flagged() -> None:
    one = clones.run(7, cards=60)

    assert one.clones > 30
    assert one.flights > 60
    assert (one.found, one.false) == (one.clones, 0)
