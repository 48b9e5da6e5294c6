from pathlib import Path

from pipeline.cli.artefact.budgets import beside_boto3_bytes, overspent
from pipeline.cli.artefact.cold_start import ColdStart
from pipeline.cli.artefact.package import Package


def package(**sizes: int) -> Package:
    return Package("F", "f.handler", frozenset(), Path("F"), Path("F.zip"), sizes)


def test_boto3_and_what_it_needs_is_not_counted() -> None:
    size = beside_boto3_bytes(package(streamwarden=1, msgspec=2, boto3=4, botocore=8, six=16))

    assert size == 3


def test_a_package_within_its_budgets_has_no_lines() -> None:
    lines = list(overspent(package(msgspec=8_000_000, botocore=50_000_000), ColdStart(1.0, 1.4)))

    assert lines == []


def test_each_budget_that_is_exceeded_has_a_line() -> None:
    lines = list(overspent(package(msgspec=9_000_000), ColdStart(300.0, 1.5)))

    assert lines == [
        "F has 9.0 MB beside boto3, the budget is 8",
        "F starts in 1.50 times one boto3 client, the budget is 1.4",
    ]


def test_a_package_with_pillow_is_judged_as_a_whole() -> None:
    lines = list(overspent(package(pillow=12_000_000, botocore=19_000_000), None))

    assert lines == ["F has 31.0 MB unpacked, the budget is 30"]
