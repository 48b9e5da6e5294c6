"""The parts of the alert flow put together: what one invocation works with."""

from dataclasses import dataclass
from datetime import timedelta

from pipeline.detection.rules import Rules
from pipeline.flows.alerts.flow import AlertFlow
from pipeline.flows.alerts.occasion import Deployment
from pipeline.flows.alerts.outbox import Outbox
from pipeline.flows.alerts.ports import DeadLetters, Ledger
from pipeline.flows.alerts.rows import AlertRows
from pipeline.flows.alerts.sweep import Sweep
from pipeline.flows.alerts.telling import RecentSilences, Teller
from pipeline.ports import AlertStore, Clock, Pager


@dataclass(frozen=True, slots=True)
class AlertPorts:
    """What both consumers of alerts need; the same for all invocations of an environment.

    `where` is the deployment that speaks, `ttl` how long a row outlives its last change.
    """

    store: AlertStore
    pager: Pager
    ledger: Ledger
    silences: RecentSilences
    clock: Clock
    rules: Rules
    where: Deployment
    ttl: timedelta


def alert_flow(ports: AlertPorts, worker: str) -> AlertFlow:
    """Return the flow of one invocation; no other invocation has the same `worker`."""
    rows, teller, outbox = _parts(ports, worker)
    defect_rule = ports.rules.health.pipeline_fact_defect
    return AlertFlow(rows, teller, outbox, ports.clock, defect_rule)


def alert_sweep(ports: AlertPorts, dead_letters: DeadLetters, worker: str) -> Sweep:
    """Return the sweep of one invocation; no other invocation has the same `worker`."""
    rows, teller, outbox = _parts(ports, worker)
    return Sweep(
        ports.store,
        rows,
        teller,
        outbox,
        ledger=ports.ledger,
        dead_letters=dead_letters,
        clock=ports.clock,
        rules=ports.rules,
        where=ports.where,
    )


def _parts(ports: AlertPorts, worker: str) -> tuple[AlertRows, Teller, Outbox]:
    rows = AlertRows(ports.store, ports.clock, ports.rules, ports.ttl)
    outbox = Outbox(rows, ports.pager, ports.clock, worker)
    teller = Teller(
        outbox,
        ports.ledger,
        ports.silences,
        rows.firing,
        ports.clock,
        rules=ports.rules,
        where=ports.where,
    )
    return rows, teller, outbox
