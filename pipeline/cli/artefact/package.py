"""A function's package: which files, as a folder and as a zip file, the same from the same."""

import os
import shutil
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.cli.artefact.bytecode import compile_all
from pipeline.cli.artefact.closure import Closure, Module, ReadSource, clients_of, modules_of
from pipeline.cli.artefact.distributions import Distribution
from pipeline.cli.artefact.trimming import MODULE_BY_MODULE, kept

OWN: Final = "streamwarden"
"""Under this name a package's own files are counted."""

_OWN_PACKAGES: Final = ("consumers", "pipeline")
_NOT_DEPLOYED: Final = ("pipeline/cli/", "pipeline/local/")
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip file can hold."""

_LONG_AGO_S: Final = 315_532_800


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a package: path and content by the name of the distribution.

    `services` are those of AWS that the function makes clients of.
    """

    handler: str
    services: frozenset[str]
    files: Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True, slots=True)
class Package:
    """A package that has been written.

    `sizes` are bytes, unpacked, by the name of the distribution.
    """

    name: str
    handler: str
    services: frozenset[str]
    folder: Path
    archive: Path
    sizes: Mapping[str, int]

    @property
    def size(self) -> int:
        """All of it, as Lambda's limit of 250 MB counts."""
        return sum(self.sizes.values())


class Packer:
    """Chooses the files of packages: what a handler's module reaches by imports, and no more.

    Args:
        root: The checkout, with `consumers` and `pipeline`.
        distributions: What may be imported beside it.
    """

    def __init__(self, root: Path, distributions: Sequence[Distribution]) -> None:
        self._distributions = distributions
        self._own = dict(_own_files(root))
        self._owners: dict[str, str] = {}
        modules: dict[str, Module] = {}
        for name, files in [(OWN, self._own), *((one.name, one.files) for one in distributions)]:
            for module in modules_of(files):
                modules[module.name] = module
                self._owners[module.name] = name
        self._closure = Closure(modules)

    def contents(self, handler: str) -> Contents:
        """Choose the files of a function by its `Handler`.

        Raises:
            LookupError: There is no such module.
        """
        reached = self._closure.reached([handler.rpartition(".")[0]])
        owners = {self._owners[name] for name in reached}
        paths = {self._closure.modules[name].path for name in reached}
        own = {path: read() for path, read in self._own.items() if _belongs(path, paths)}
        services = {
            service
            for path, source in own.items()
            if path.endswith(".py")
            for service in clients_of(source)
        }
        files: dict[str, Mapping[str, bytes]] = {OWN: own}
        for distribution in self._distributions:
            if distribution.name in owners:
                whole = distribution.name not in MODULE_BY_MODULE
                files[distribution.name] = {
                    path: content
                    for path, content in kept(distribution, services)
                    if whole or path in paths or ".dist-info/" in path
                }
        return Contents(handler, frozenset(services), files)


def write(contents: Contents, name: str, output: Path) -> Package:
    """Write a package as a folder and as a zip file, in place of an earlier one.

    Our own sources go along with their bytecode, so that tracebacks show lines; of the libraries
    the bytecode alone.

    Args:
        contents: What to write.
        name: Name of the folder, and of the zip file but for its ending.
        output: Where both go.

    Raises:
        click.ClickException: There is no interpreter of the functions' version.
    """
    folder, archive = output / name, output / f"{name}.zip"
    shutil.rmtree(folder, ignore_errors=True)
    sizes = {owner: _write_files(files, folder) for owner, files in contents.files.items()}
    _compile(contents, folder, sizes)
    _settle(folder)
    _pack(folder, archive)
    return Package(name, contents.handler, contents.services, folder, archive, sizes)


def _own_files(root: Path) -> Iterator[tuple[str, ReadSource]]:
    for package in _OWN_PACKAGES:
        for path in sorted((root / package).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and path.suffix != ".pyc" and not name.startswith(_NOT_DEPLOYED):
                yield name, path.read_bytes


def _belongs(path: str, modules: Iterable[str]) -> bool:
    """Whether a file is a reached module, or a data file in or below the folder of one."""
    if path.endswith(".py"):
        return path in modules
    folders = {module.rpartition("/")[0] for module in modules if "__init__" not in module}
    return any(parent.as_posix() in folders for parent in Path(path).parents)


def _write_files(files: Mapping[str, bytes], folder: Path) -> int:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return sum(map(len, files.values()))


def _compile(contents: Contents, folder: Path, sizes: dict[str, int]) -> None:
    """Compile all sources, remove those of the libraries, and bring the sizes up to date."""
    targets: dict[Path, tuple[str, Path]] = {}
    owners: dict[Path, str] = {}
    for owner, files in contents.files.items():
        for path in files:
            source = folder / path
            if source.suffix != ".py":
                continue
            target = source.with_suffix(".pyc")
            if owner == OWN:
                target = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
                target.parent.mkdir(exist_ok=True)
            targets[source] = (f"/var/task/{path}", target)
            owners[source] = owner
    compile_all(targets)
    for source, (_, target) in targets.items():
        sizes[owners[source]] += target.stat().st_size
        if owners[source] != OWN:
            sizes[owners[source]] -= source.stat().st_size
            source.unlink()


def _settle(folder: Path) -> None:
    """Give every file the mode and the time that do not depend on who builds, and when."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_LONG_AGO_S, _LONG_AGO_S))


def _pack(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                continue
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _LONG_AGO)
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes(), compresslevel=9)
