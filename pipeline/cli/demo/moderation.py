"""The option `--moderation`: what the local Rekognition says about unsafe images is declared."""

from pathlib import Path
from typing import Final

import click
import msgspec
from rich.table import Table

from pipeline.cli.tables import Column, table
from pipeline.local.rekognition import Declared, declared

_SHOWN_DIGITS: Final = 12


class ModerationType(click.ParamType[Declared]):
    """A TOML file of declared moderation answers."""

    name = "file"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Declared:
        """Read the file; end the command with what is wrong with it."""
        try:
            return declared(Path(value))
        except OSError as error:
            self.fail(f"{value}: {error.strerror}", param, ctx)
        except msgspec.DecodeError as error:
            self.fail(f"{value}: {error}", param, ctx)


moderation_option = click.option(
    "--moderation",
    type=ModerationType(),
    metavar="FILE",
    help=(
        "A TOML file of moderation answers by the SHA-256 of an image: the local Rekognition "
        "guesses none."
    ),
)


def moderation_table(answers: Declared) -> Table:
    """Lay out the declared answers."""
    columns = (
        Column("image, by its SHA-256"),
        Column("label", is_whole=False),
        Column("confidence", is_figure=True),
    )
    rows = [
        (
            image.sha256[:_SHOWN_DIGITS],
            f"{label.parent} / {label.name}" if label.parent else label.name,
            f"{label.confidence:g} %",
        )
        for image in answers.image
        for label in image.labels
    ]
    return table("Moderation answers, declared and not recognised", columns, rows)
