"""What a module imports, and what that imports, read from sources without running any."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

ReadSource = Callable[[], bytes]

_SUFFIXES: Final = ("/__init__.py", ".py", ".so")


@dataclass(frozen=True, slots=True)
class Module:
    """A module that can be imported: where it lies, and its source unless it is compiled code."""

    name: str
    path: str
    source: ReadSource | None

    @property
    def package(self) -> str:
        """The package that its relative imports start from."""
        if self.path.endswith("/__init__.py"):
            return self.name
        return self.name.rpartition(".")[0]


def modules_of(files: Mapping[str, ReadSource]) -> Iterator[Module]:
    """Yield the modules among files, which are keyed by their path below an import root."""
    for path, read in files.items():
        suffix = next((suffix for suffix in _SUFFIXES if path.endswith(suffix)), None)
        if suffix is None:
            continue
        stem = path.removesuffix(suffix)
        if suffix == ".so":  # _core.cpython-313-aarch64-linux-gnu.so
            stem = stem.partition(".")[0]
        name = stem.replace("/", ".")
        if all(part.isidentifier() for part in name.split(".")):
            yield Module(name, path, None if suffix == ".so" else read)


@dataclass
class Closure:
    """Follows imports among known modules; a name that none of them has is somebody else's.

    Imports inside of functions and under `try` count; those for type checkers alone do not.
    """

    modules: Mapping[str, Module]
    _imports: dict[str, frozenset[str]] = field(default_factory=dict)

    def reached(self, names: Iterable[str]) -> set[str]:
        """Return the modules that are loaded, or may be later, when these are imported.

        Raises:
            LookupError: One of the given names is no known module.
        """
        waiting = list(names)
        for name in waiting:
            if name not in self.modules:
                raise LookupError(f"there is no module {name}")
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in found or name not in self.modules:
                continue
            found.add(name)
            waiting += [name.rpartition(".")[0], *self._imported(name)]
        return found

    def _imported(self, name: str) -> frozenset[str]:
        if name not in self._imports:
            module = self.modules[name]
            names = _imports(module, ast.parse(module.source())) if module.source else ()
            self._imports[name] = frozenset(names)
        return self._imports[name]


def clients_of(source: bytes) -> set[str]:
    """Return the AWS services that a module makes clients of: the texts given to `client(...)`."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "client"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def _imports(module: Module, tree: ast.AST) -> Iterator[str]:
    for node in _run_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module.package, node)
            yield origin
            for alias in node.names:
                yield f"{origin}.{alias.name}"


def _origin(package: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    base = parents[: len(parents) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree but for the branches that only a type checker takes."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"
