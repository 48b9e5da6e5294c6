"""The `streamwarden` command."""

import click

from pipeline.cli.alert_hands import ack, resolve
from pipeline.cli.alert_tail import tail
from pipeline.cli.alerts import alerts
from pipeline.cli.backtest import backtest
from pipeline.cli.build import build
from pipeline.cli.demo import demo
from pipeline.cli.fire import fire
from pipeline.cli.flow import flow
from pipeline.cli.host_command import host
from pipeline.cli.local import local
from pipeline.cli.page_test import page_test
from pipeline.cli.put import put
from pipeline.cli.quarantine import quarantine
from pipeline.cli.quarantine_replay import replay_
from pipeline.cli.redrive import redrive
from pipeline.cli.replay import replay
from pipeline.cli.rules_command import rules
from pipeline.cli.schemas import schemas
from pipeline.cli.silence import silence
from pipeline.cli.smoke import smoke
from pipeline.cli.traffic_command import traffic
from pipeline.cli.upload import upload
from pipeline.cli.users_command import users
from pipeline.cli.validate import validate


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
