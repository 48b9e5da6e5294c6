"""`streamwarden build`: one package per function, for Lambda, without Docker."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from pipeline.cli.artefact.budgets import MB, beside_boto3_bytes, is_slow, overspent
from pipeline.cli.artefact.cold_start import ROUNDS, ColdStart, can_start, cold_starts
from pipeline.cli.artefact.distributions import ARCHITECTURES, Architecture, downloaded
from pipeline.cli.artefact.package import Package, Packer, write
from pipeline.cli.artefact.stack_template import handlers, packaged_template
from pipeline.cli.console import make_console
from pipeline.cli.demo.artifact_option import BUILD_DIRECTORY
from pipeline.cli.demo.local import template_option

REQUIREMENTS: Final = Path("requirements", "lambda.txt")


@click.command()
@template_option
@click.option(
    "--architecture",
    "architectures",
    type=click.Choice(ARCHITECTURES),
    multiple=True,
    default=ARCHITECTURES,
    help="Processor of the functions; both without it.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=BUILD_DIRECTORY,
    show_default=True,
    help="Folder of the packages, one folder in it per architecture.",
)
def build(template: Path, architectures: Sequence[Architecture], output: Path) -> None:
    """Build the Lambda package of each function.

    Each is a folder and a zip file, beside a template that names them.

    Fails when a package is larger than its budget, or starts slower where this machine can run it.
    """
    console = make_console()
    over: list[str] = []
    for architecture in architectures:
        packages = build_packages(template, architecture, output)
        starts = _starts(packages) if can_start(architecture) else {}
        over += _tell(console, architecture, packages, starts)
        console.print(f"template: {output / architecture / template.name}\n")
    if over:
        raise click.ClickException("\n".join(over))


def build_packages(template: Path, architecture: Architecture, output: Path) -> list[Package]:
    """Build the packages of all functions of a template, and the template that deploys them.

    The libraries are those that `requirements/lambda.txt` beside the template pins.

    Raises:
        click.ClickException: A library or the functions' interpreter cannot be had.
    """
    root = template.resolve().parent
    found = downloaded(root / REQUIREMENTS, architecture, output / "wheels")
    packer = Packer(root, found)
    folder = output / architecture
    packages = [
        write(packer.contents(handler), name, folder)
        for name, handler in handlers(template).items()
    ]
    (folder / template.name).write_text(packaged_template(template, architecture), encoding="utf-8")
    return packages


def _starts(packages: Sequence[Package]) -> Mapping[str, ColdStart]:
    """Measure the starts, those over the budget three times as long before they are refused."""
    starts = cold_starts(packages)
    slow = [package for package in packages if is_slow(starts[package.name])]
    return {**starts, **cold_starts(slow, 3 * ROUNDS)}


def _tell(
    console: Console,
    architecture: Architecture,
    packages: Sequence[Package],
    starts: Mapping[str, ColdStart],
) -> Iterator[str]:
    """Print the figures of the packages; yield what exceeds a budget."""
    table = Table(title=f"packages for {architecture}", title_justify="left")
    table.add_column("function")
    for name in ("zip MB", "unpacked MB", "beside boto3 MB", "start CPU ms", "of one client's"):
        table.add_column(name, justify="right")
    for package in packages:
        start = starts.get(package.name)
        table.add_row(
            package.name,
            f"{package.archive.stat().st_size / MB:.1f}",
            f"{package.size / MB:.1f}",
            f"{beside_boto3_bytes(package) / MB:.1f}",
            f"{start.cpu_ms:.0f}" if start else "",
            f"{start.ratio:.2f}" if start else "",
        )
        yield from overspent(package, start)
    console.print(table)
