"""The `streamwarden` command."""

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


@click.group()
@click.version_option(package_name="streamwarden")
def main() -> None:
    """Watch everything a product emits and tell the on-call engineer when something is wrong."""


main.add_command(alerts)
main.add_command(backtest)
main.add_command(build)
alerts.add_command(ack)
alerts.add_command(resolve)
alerts.add_command(tail)
main.add_command(demo)
main.add_command(fire)
main.add_command(flow)
main.add_command(host)
main.add_command(local)
main.add_command(page_test)
main.add_command(put)
main.add_command(quarantine)
quarantine.add_command(replay_)
main.add_command(redrive)
main.add_command(replay)
main.add_command(rules)
main.add_command(schemas)
main.add_command(silence)
main.add_command(smoke)
main.add_command(traffic)
main.add_command(upload)
main.add_command(users)
main.add_command(validate)
