"""The `streamwarden` command."""

from typing import Final

import click

from pipeline.cli.alerts.command import alerts
from pipeline.cli.alerts.hands import ack, resolve
from pipeline.cli.alerts.page_test import page_test
from pipeline.cli.alerts.silence import silence
from pipeline.cli.alerts.tail import tail
from pipeline.cli.demo.command import demo
from pipeline.cli.demo.fire import fire
from pipeline.cli.demo.flow import flow
from pipeline.cli.demo.local import local
from pipeline.cli.deployment.build import build
from pipeline.cli.deployment.smoke import smoke
from pipeline.cli.producers.host_command import host
from pipeline.cli.producers.put import put
from pipeline.cli.producers.upload import upload
from pipeline.cli.producers.validate import validate
from pipeline.cli.rules.backtest import backtest
from pipeline.cli.rules.command import rules
from pipeline.cli.schemas import schemas
from pipeline.cli.traffic.command import traffic
from pipeline.cli.traffic.users_command import users
from pipeline.cli.way_back.quarantine import quarantine
from pipeline.cli.way_back.quarantine_replay import replay_
from pipeline.cli.way_back.redrive import redrive
from pipeline.cli.way_back.replay import replay

SECTIONS: Final = {
    "Run it on this machine": (demo, local, fire, flow),
    "Put something on it": (put, validate, traffic, users, upload, host),
    "Alerts": (alerts, silence, page_test),
    "Rules": (rules, backtest),
    "What was refused or set aside": (quarantine, redrive, replay),
    "Build and deploy": (build, smoke, schemas),
}
"""All commands by the kind of work, in the order in which a newcomer meets them."""

_MAX_CHARS: Final = 64
"""Of a line about a command, beside its name on a terminal of 80 columns."""


class SectionedGroup(click.Group):
    """A group that lists its commands under the headings of `SECTIONS`."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; each has one line."""
        del ctx
        width = max(map(len, self.commands))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        ((command.name or "").ljust(width), command.get_short_help_str(_MAX_CHARS))
                        for command in commands
                    ]
                )


@click.group(cls=SectionedGroup)
@click.version_option(package_name="streamwarden")
def main() -> None:
    """Watch everything a product emits and tell the on-call engineer when something is wrong.

    Begin with `streamwarden demo`, which shows it all once, or with `streamwarden local`, which
    stays up for the other commands.
    """


alerts.add_command(ack)
alerts.add_command(resolve)
alerts.add_command(tail)
quarantine.add_command(replay_)
for _commands in SECTIONS.values():
    for _command in _commands:
        main.add_command(_command)
