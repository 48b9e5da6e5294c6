"""The `streamwarden` command."""

import click

from pipeline.cli.demo import demo
from pipeline.cli.flow import flow
from pipeline.cli.local import local
from pipeline.cli.schemas import schemas


@click.group()
@click.version_option(package_name="streamwarden")
def main() -> None:
    """Watch everything a product emits and tell the on-call engineer when something is wrong."""


main.add_command(demo)
main.add_command(flow)
main.add_command(local)
main.add_command(schemas)
