"""The documents say what the code does: each command, target and setting stands in both."""

import dataclasses
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import pipeline.settings
from pipeline.cli.main import main

ROOT = Path(__file__).resolve().parent.parent

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

# In pieces, so that this file is not its own finding.
FOREIGN_PLACES = re.compile(
    "|".join(
        [
            r"(?<![\w.])/(work|root|tmp|home|Users)" + "/",
            "py" + r"pi\.org",
            "python" + "hosted",
            "registry" + r"\.npmjs",
            "files" + r"\.debian",
            "--index" + "-url http",
        ]
    )
)


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(_commands(main, "streamwarden"))

SETTINGS = {
    name.removesuffix("Settings"): kind
    for name, kind in vars(pipeline.settings).items()
    if name.endswith("Settings") and dataclasses.is_dataclass(kind)
}


def _text() -> str:
    return "\n".join(document.read_text() for document in DOCUMENTS)


def _code(text: str) -> str:
    """Return the code of a document, fenced or in backticks, one piece a line."""
    fenced = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*fenced, *inline])


def test_each_command_stands_in_the_documents() -> None:
    code = _code(_text())

    missing = [path for path in COMMANDS if path not in code]

    assert missing == []


def test_each_option_stands_in_the_documents() -> None:
    code = _code(_text())

    missing = [
        f"{path} {option}"
        for path, command in COMMANDS.items()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option not in code
    ]

    assert missing == []


def test_each_command_of_the_documents_exists_with_its_options() -> None:
    lines = re.findall(r"^\$? ?(streamwarden [a-z][^\n|#]*)", _code(_text()), re.MULTILINE)

    wrong = [line for line in lines if not _is_a_command(line)]

    assert lines
    assert wrong == []


def test_makefile_and_documents_name_the_same_targets() -> None:
    makefile = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))

    documented = set(re.findall(r"^\$? ?make ([a-z-]+)", _code(_text()), re.MULTILINE))

    assert documented == makefile


def test_each_target_of_the_makefile_has_a_help_line() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony

    with_help = re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE)

    assert sorted(with_help) == sorted(phony[1].split())


@pytest.mark.parametrize("kind", SETTINGS.values(), ids=SETTINGS.keys())
def test_settings_and_their_table_name_the_same_variables(kind: type) -> None:
    consumer = re.sub(
        r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__.removesuffix("Settings")
    ).lower()
    sections = (ROOT / "docs" / "settings.md").read_text().split("\n## ")

    section = next(text for text in sections if text.startswith(f"`consumers.{consumer}`\n"))

    documented = re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE)
    assert documented == [field.name.upper() for field in dataclasses.fields(kind)]


def test_the_readme_leads_to_each_document() -> None:
    table = re.findall(r"^\| \[(docs/[\w-]+\.md)\]", (ROOT / "README.md").read_text(), re.MULTILINE)

    documents = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))

    assert sorted(table) == documents


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_resolve(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:)([^)]+)\)", document.read_text())

    broken = [link for link in links if not _resolves(document, link)]

    assert broken == []


def test_no_file_names_a_place_of_one_machine() -> None:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]

    findings = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if FOREIGN_PLACES.search(line)
    ]

    assert len(files) > 20
    assert findings == []


def _is_a_command(line: str) -> bool:
    path = next((path for path in COMMANDS if f"{line} ".startswith(f"{path} ")), None)
    if path is None:
        return False
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    return set(re.findall(r"--[a-z-]+", line)) <= options | {"--help"}


def _resolves(document: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = document.parent / name if name else document
    if not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}
