"""The moto server as a process of its own, started by `pipeline/local/endpoint.py`; not for import.

It binds a free port of the loopback interface, prints the number on one line and serves until
its standard input ends. The pipe ends when the parent closes it or dies, even by `kill -9`, so no
process outlives the local run. Seed and rate of a `FaultPlan` may be its arguments.
"""

import logging
import os
import sys
import threading
import time
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.events.models import EventsBackend
from moto.kinesis.models import kinesis_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from moto.s3.models import S3Backend
from moto.sns.models import Subscription
from werkzeug.serving import make_server

from pipeline.local.faults import FaultPlan
from pipeline.local.server.faults import FaultyCalls
from pipeline.local.server.guard import Guard
from pipeline.local.server.guard_moto import table_keys
from pipeline.local.server.http_handler import KeepAliveHandler
from pipeline.local.server.journal import Journal, record_changes
from pipeline.local.server.kinesis import Kinesis
from pipeline.local.server.queues import correct_queues
from pipeline.local.server.tables import correct_tables
from pipeline.local.server.usage import UsageMeter


def _end_with_parent() -> None:
    """Wait for the end of standard input and end the process, whatever its threads do."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def _secondary_index_keys(table_name: str) -> list[list[str]]:
    """Name the key attributes of each secondary index of a table."""
    tables = [
        backend.tables[table_name]
        for account in list(dynamodb_backends.values())
        for backend in list(account.values())
        if table_name in backend.tables
    ]
    return [
        [key["AttributeName"] for key in index.schema]
        for table in tables[:1]
        for index in (*table.global_indexes, *table.indexes)
    ]


def _stream(region: str, arn: str | None, name: str | None) -> Any:  # noqa: ANN401  moto's
    """Find moto's stream of an ARN or a name."""
    account = DEFAULT_ACCOUNT_ID
    if arn:
        region, account, name = *arn.split(":")[3:5], arn.partition("/")[2]
    return kinesis_backends[account][region].streams.get(name or "")


def main() -> None:
    """Serve moto until standard input ends."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    correct_queues()
    correct_tables()
    application: Any = DomainDispatcherApplication(create_backend_app)
    application = Kinesis(application, _stream, time.time)  # noqa: TID251  the clock is given here
    application = UsageMeter(application, _secondary_index_keys)
    application = Guard(application, table_keys)
    if sys.argv[1:]:
        seed, rate = sys.argv[1:]
        # Outside of the meter: AWS bills what it executes, also when the reply is lost.
        application = FaultyCalls(application, FaultPlan(int(seed), float(rate)), time.sleep)
    journal = Journal()
    record_changes(journal, S3Backend, EventsBackend, Subscription)
    server = make_server(
        "127.0.0.1", 0, journal.watch(application), threaded=True, request_handler=KeepAliveHandler
    )
    # moto composes URLs, such as those of queues, with this port where it has no request at hand.
    os.environ["MOTO_PORT"] = str(server.port)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    # Nobody reads the pipe from here on: what a library prints joins the log instead.
    os.dup2(2, 1)
    server.serve_forever()


if __name__ == "__main__":
    main()
