"""`streamwarden schemas`: JSON Schemas generated from the types that enforce the contract."""

import json
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from pipeline.events import FraudReport, Money, SystemMetric, Transaction, UserActivity
from pipeline.flows.alerts.notification import Notification
from pipeline.images import ThumbnailJob
from pipeline.jobs import SendWelcome, SetupUserProfile

SCHEMAS: Final[dict[str, type[msgspec.Struct]]] = {
    "user_activity.json": UserActivity,
    "system_metric.json": SystemMetric,
    "transaction.json": Transaction,
    "fraud_report.json": FraudReport,
    "alert.json": Notification,
    "setup_user_profile.json": SetupUserProfile,
    "send_welcome.json": SendWelcome,
    "thumbnails.json": ThumbnailJob,
}
"""File name of each schema and the type that it is generated from."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("schemas"),
    show_default=True,
    help="Folder of the schema files.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail when a file differs.")
def schemas(output: Path, *, check: bool) -> None:
    """Write the JSON Schemas of the events, the jobs and the alert."""
    if check:
        faults = list(drift(output))
        if faults:
            raise click.ClickException("\n".join([*faults, "run `streamwarden schemas`"]))
        click.echo(f"{len(SCHEMAS)} schemas agree with the types")
        return
    output.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        (output / name).write_text(schema_text(name), encoding="utf-8")
        click.echo(output / name)


def schema(name: str) -> dict[str, Any]:
    """Generate the schema of one file of `SCHEMAS`, its own type at the top."""
    kind = SCHEMAS[name]
    generated = _dedented(msgspec.json.schema(kind, schema_hook=_schema_of))
    definitions: dict[str, Any] = generated["$defs"]
    document = {
        "$schema": DIALECT,
        "$id": f"urn:streamwarden:schema:{name.removesuffix('.json')}",
        **definitions.pop(kind.__name__),
    }
    return document | {"$defs": definitions} if definitions else document


def schema_text(name: str) -> str:
    """Return the text of one schema file, the same for the same type."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def drift(folder: Path) -> Iterator[str]:
    """Yield one line for each file that is missing, differs or has no type."""
    for name in SCHEMAS:
        path = folder / name
        if not path.is_file():
            yield f"{path} is missing"
        elif path.read_text(encoding="utf-8") != schema_text(name):
            yield f"{path} differs from {SCHEMAS[name].__name__}"
    for path in sorted(folder.glob("*.json")):
        if path.name not in SCHEMAS:
            yield f"{path} belongs to no type"


def _dedented(node: Any) -> Any:  # noqa: ANN401  any part of a schema
    """Dedent descriptions, which are docstrings: Python does so itself from 3.13 on only."""
    if isinstance(node, list | tuple):  # a tuple is a default
        return [_dedented(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        name: cleandoc(part) if name == "description" and isinstance(part, str) else _dedented(part)
        for name, part in node.items()
    }


def _schema_of(kind: type) -> dict[str, Any]:
    if kind is not Money:
        raise NotImplementedError(f"no JSON Schema for {kind}")
    return Money.JSON_SCHEMA
