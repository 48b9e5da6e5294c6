"""How large a package may be and what its start may cost."""

from collections.abc import Iterator
from typing import Final

from pipeline.cli.artefact.cold_start import ColdStart
from pipeline.cli.artefact.package import Package

MB: Final = 1_000_000
MAX_BESIDE_BOTO3_BYTES: Final = 8 * MB
MAX_WITH_PILLOW_BYTES: Final = 30 * MB
MAX_START_RATIO: Final = 1.4

BOTO3: Final = frozenset(
    {"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"}
)
"""boto3 and what it needs, by the names of the distributions."""


def beside_boto3_bytes(package: Package) -> int:
    """Return the unpacked size of what is not boto3."""
    return sum(size for name, size in package.sizes.items() if name not in BOTO3)


def is_slow(start: ColdStart) -> bool:
    """Tell whether a start exceeds its budget."""
    return start.ratio > MAX_START_RATIO


def overspent(package: Package, start: ColdStart | None) -> Iterator[str]:
    """Yield a line for each budget that a package exceeds.

    Without Pillow, what is not boto3 is bounded; with it, the whole package.
    """
    if "pillow" in package.sizes:
        size, limit, what = package.size, MAX_WITH_PILLOW_BYTES, "unpacked"
    else:
        size, limit, what = beside_boto3_bytes(package), MAX_BESIDE_BOTO3_BYTES, "beside boto3"
    if size > limit:
        yield f"{package.name} has {size / MB:.1f} MB {what}, the budget is {limit / MB:.0f}"
    if start and is_slow(start):
        yield (
            f"{package.name} starts in {start.ratio:.2f} times one boto3 client, "
            f"the budget is {MAX_START_RATIO}"
        )
