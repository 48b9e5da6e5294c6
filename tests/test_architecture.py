"""docs/architecture.md draws what the template and the tree have."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

from pipeline.cli.demo.wiring import KINDS, read_wiring
from pipeline.local.translate import load_template

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text()
TEMPLATE = load_template(ROOT / "template.yaml")
PLACES = {name for name, resource in TEMPLATE["Resources"].items() if resource["Type"] in KINDS}
CONSUMERS = {path.stem for path in (ROOT / "consumers").glob("*.py")} - {"__init__"}


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def written() -> dict[str, set[str]]:
    """Return the consumers whose roles write to a place, by place; dead-letter queues aside."""
    writers = defaultdict(set)
    for step in read_wiring(TEMPLATE).steps:
        consumer = TEMPLATE["Resources"][step.function]["Properties"]["Handler"].split(".")[1]
        for target in step.targets:
            if not target.on_failure and target.place.kind in {"DynamoDB", "S3", "SQS"}:
                writers[target.place.resource].add(consumer)
    return {place: found for place, found in writers.items() if "DeadLetter" not in place}


def test_the_picture_has_every_consumer_and_no_place_that_is_none() -> None:
    picture = section("The way of a record")

    drawn = set(re.findall(r"\b[A-Z]\w+(?:Table|Stream|Bucket|Queue|Topic)\b", picture))

    assert set(re.findall(r"\b[a-z0-9]+_[a-z]+\b", picture)) >= CONSUMERS
    assert drawn <= PLACES
    assert {name for name in PLACES if name.endswith(("Stream", "Topic"))} <= drawn


def test_all_state_is_in_the_table_with_who_writes_it() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|(.*)\|$", section("Where state lives"), re.MULTILINE)

    told = {
        place: set(re.findall(r"`(\w+)`", writers)) for place, writers in rows if "`" in writers
    }

    stores = {name for name in PLACES if not name.endswith("Topic") and "DeadLetter" not in name}
    assert {place for place, _ in rows} == stores
    assert told == written()


def test_the_layers_are_those_of_the_import_linter() -> None:
    layers = section("Rooms of the tree").split("```")[1].split("\n")[1:-1]

    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

    assert layers == configured["contracts"][0]["layers"]


def test_each_room_exists() -> None:
    rooms = re.findall(r"^\| `([\w./]+)` \|", section("Rooms of the tree"), re.MULTILINE)

    missing = [room for room in rooms if not (ROOT / room).exists()]

    assert len(rooms) > 5
    assert missing == []


def test_it_stays_a_map() -> None:
    assert len(DOCUMENT.split()) < 1800
