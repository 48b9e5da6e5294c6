"""`--artifact`: run the packages that `streamwarden build` has made, as Lambda runs them."""

import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click

from pipeline.cli.artefact.cold_start import can_start
from pipeline.cli.artefact.distributions import PYTHON, architecture_here
from pipeline.cli.artefact.stack_template import handlers

BUILD_DIRECTORY: Final = Path("build")
"""Where packages are written and looked for, below the current directory."""

artifact_option = click.option(
    "--artifact",
    is_flag=True,
    help="Run the built packages under Lambda's own client instead of the sources; Linux only.",
)


def built_packages(template: Path, built: Path = BUILD_DIRECTORY) -> Mapping[str, Path]:
    """Return the folder of each function's package for this machine, by logical id.

    Raises:
        click.ClickException: This machine cannot run packages, or one is not built of the sources
            as they are.
    """
    architecture = architecture_here(platform.machine())
    if architecture is None or not can_start(architecture):
        needed = "CPython {}.{} on Linux".format(*PYTHON)
        raise click.ClickException(f"packages run with {needed} on arm64 or x86_64 only")
    folders = {name: built / architecture / name for name in handlers(template)}
    missing = [str(folder) for folder in folders.values() if not folder.is_dir()]
    if missing:
        raise click.ClickException(f"not built: {', '.join(missing)}; run `make build` first")
    root = template.resolve().parent
    changed = sorted({path for folder in folders.values() for path in _changed(folder, root)})
    if changed:
        names = ", ".join(changed)
        raise click.ClickException(f"changed since the build: {names}; run `make build` again")
    return folders


def _changed(package: Path, root: Path) -> Iterator[str]:
    for path in (*package.glob("consumers/**/*.py"), *package.glob("pipeline/**/*.py")):
        name = path.relative_to(package)
        source = root / name
        if not source.is_file() or source.read_bytes() != path.read_bytes():
            yield name.as_posix()
