"""What Athena does: workgroups, query executions and their results."""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from sqlglot import exp

from pipeline.local.athena.catalog import Catalog
from pipeline.local.athena.engine import Engine, Outcome
from pipeline.local.athena.errors import (
    QueryCancelledError,
    QueryFailedError,
    RequestRefusedError,
)
from pipeline.local.athena.execution import ENDED, Execution, State
from pipeline.local.athena.statement import parse
from pipeline.local.athena.values import csv_lines
from pipeline.local.athena.workgroup import WorkGroup

OnStateChange = Callable[[dict[str, Any]], None]
"""Takes an event of EventBridge; called on the query's thread."""

_THREADS: Final = 4
_MAX_PAGE: Final = 1000
_MIN_TOKEN, _MAX_TOKEN = 32, 128


class Athena:
    """The service; safe to call from many threads.

    Args:
        s3: boto3's client of the S3 that holds the tables and takes the results.
        glue: boto3's client of the data catalog.
        clock: The time of day in epoch seconds.
        account_id: For events.
        region: For events.
        on_state_change: Told of each step of each query.
    """

    def __init__(
        self,
        s3: Any,  # noqa: ANN401  boto3 clients have no common type
        glue: Any,  # noqa: ANN401  boto3 clients have no common type
        clock: Callable[[], float],
        *,
        account_id: str,
        region: str,
        on_state_change: OnStateChange,
    ) -> None:
        self._s3 = s3
        self._clock = clock
        self._identity = account_id, region
        self._on_state_change = on_state_change
        self._engine = Engine(Catalog(glue, s3), s3, lambda: datetime.fromtimestamp(clock(), UTC))
        # As AWS makes it: the one workgroup whose settings do not win over those of a request.
        self._workgroups = {
            "primary": WorkGroup("primary", {"EnforceWorkGroupConfiguration": False})
        }
        self._executions: dict[str, Execution] = {}
        self._tokens: dict[str, tuple[object, str]] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="athena")
        self._runs: list[Future[None]] = []

    @property
    def activity(self) -> tuple[int, int]:
        """How many queries were started, and how many of them have not ended and been told."""
        return len(self._executions), sum(not run.done() for run in list(self._runs))

    def stop(self) -> None:
        """Cancel what runs and wait for its end."""
        for execution in list(self._executions.values()):
            self._cancel(execution)
        self._threads.shutdown(wait=True)

    def answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request.

        Raises:
            RequestRefusedError: It cannot be answered.
        """
        match operation:
            case "StartQueryExecution":
                return {"QueryExecutionId": self._start(request)}
            case "StopQueryExecution":
                self._cancel(self._execution(request))
                return {}
            case "GetQueryExecution":
                with self._lock:
                    return {"QueryExecution": self._execution(request).description()}
            case "BatchGetQueryExecution":
                return self._batch(request["QueryExecutionIds"])
            case "ListQueryExecutions":
                name = request.get("WorkGroup", "primary")
                found = [e.id for e in self._executions.values() if e.workgroup == name]
                return {"QueryExecutionIds": found[::-1]}
            case "GetQueryResults":
                return self._results(request)
            case "GetWorkGroup":
                return {"WorkGroup": self._workgroup(request["WorkGroup"]).answer()}
            case "CreateWorkGroup" | "UpdateWorkGroup":
                return self._put_workgroup(operation, request)
            case _:
                raise RequestRefusedError(
                    "UnknownOperationException", f"no {operation} in the local run"
                )

    def _start(self, request: Mapping[str, Any]) -> str:
        token = request.get("ClientRequestToken") or str(uuid.uuid4())
        if not _MIN_TOKEN <= len(token) <= _MAX_TOKEN:
            raise RequestRefusedError(
                "InvalidRequestException",
                f"clientRequestToken must have {_MIN_TOKEN} to {_MAX_TOKEN} characters",
                "INVALID_INPUT",
            )
        content = {name: value for name, value in request.items() if name != "ClientRequestToken"}
        group = self._workgroup(request.get("WorkGroup", "primary"))
        results = group.results(request.get("ResultConfiguration") or {})
        parameters = tuple(request.get("ExecutionParameters") or ())
        tree = parse(request["QueryString"], parameters)
        with self._lock:
            if token in self._tokens:
                before, query_execution_id = self._tokens[token]
                if before != content:
                    raise RequestRefusedError(
                        "InvalidRequestException",
                        "Idempotent parameters do not match",
                        "INVALID_INPUT",
                    )
                return query_execution_id
            encryption = results.get("EncryptionConfiguration")
            execution = Execution(
                id=str(uuid.uuid4()),
                sql=request["QueryString"],
                parameters=parameters,
                database=(request.get("QueryExecutionContext") or {}).get("Database", "default"),
                workgroup=group.name,
                output=results["OutputLocation"],
                encryption={"EncryptionConfiguration": encryption} if encryption else {},
                submitted=self._clock(),
                is_insert=isinstance(tree, exp.Insert),
            )
            self._tokens[token] = content, execution.id
            self._executions[execution.id] = execution
        self._tell(execution, None)
        self._runs.append(self._threads.submit(self._run, execution, tree, group.max_scanned_bytes))
        return execution.id

    def _run(self, execution: Execution, tree: exp.Expr, limit: int | None) -> None:
        if execution.cancelled or not self._step(execution, "RUNNING"):
            return
        try:
            outcome = self._engine.run(
                tree,
                execution.database,
                limit,
                lambda connection: self._interruptible(execution, connection),
            )
            self._write(execution, outcome)
        except QueryCancelledError as error:
            self._step(execution, "CANCELLED", str(error))
        except QueryFailedError as error:
            self._step(execution, "FAILED", str(error))
        except (ClientError, BotoCoreError) as error:
            self._step(execution, "FAILED", f"HIVE_CANNOT_OPEN_SPLIT: {error}", retryable=True)
        except Exception as error:  # noqa: BLE001  a query must not stay RUNNING for good
            self._step(execution, "FAILED", f"GENERIC_INTERNAL_ERROR: {error!r}", retryable=True)
        else:
            execution.outcome = outcome
            self._step(execution, "SUCCEEDED")

    @contextmanager
    def _interruptible(self, execution: Execution, connection: Any) -> Iterator[None]:  # noqa: ANN401  DuckDB's
        """Let an execution be interrupted for as long as its connection is open."""
        with self._lock:
            execution.interrupt = connection.interrupt
        try:
            if execution.cancelled:
                raise QueryCancelledError("Query was cancelled")
            yield
        finally:
            with self._lock:
                execution.interrupt = None

    def _write(self, execution: Execution, outcome: Outcome) -> None:
        """Write the result, or the list of what an INSERT has written, as Athena does."""
        names = [column[0] for column in outcome.columns]
        if execution.is_insert:
            self._put(
                execution.manifest_uri, "".join(f"{uri}\n" for uri in outcome.manifest).encode()
            )
        else:
            self._put(execution.output_uri, csv_lines(names, outcome.rows))

    def _put(self, uri: str, body: bytes) -> None:
        place = urlsplit(uri)
        self._s3.put_object(Bucket=place.netloc, Key=place.path.lstrip("/"), Body=body)

    def _step(
        self, execution: Execution, state: State, reason: str = "", *, retryable: bool = False
    ) -> bool:
        """Take an execution into a state, unless it has ended; tell of it."""
        with self._lock:
            if execution.state in ENDED:
                return False
            previous = execution.state
            execution.state, execution.reason, execution.retryable = state, reason, retryable
            execution.sequence += 1
            now = self._clock()
            if state == "RUNNING":
                execution.started = now
            elif state in ENDED:
                execution.completed = now
        self._tell(execution, previous)
        return True

    def _tell(self, execution: Execution, previous: State | None) -> None:
        account_id, region = self._identity
        self._on_state_change(execution.event(previous, account_id, region, self._clock()))

    def _cancel(self, execution: Execution) -> None:
        execution.cancelled = True
        self._step(execution, "CANCELLED", "Query was cancelled by the user")
        with self._lock:
            if execution.interrupt is not None:
                execution.interrupt()

    def _results(self, request: Mapping[str, Any]) -> dict[str, Any]:
        execution = self._execution(request)
        if execution.state != "SUCCEEDED" or execution.outcome is None:
            raise RequestRefusedError(
                "InvalidRequestException",
                "Query has not yet finished. Current state: " + execution.state
                if execution.state not in ENDED
                else f"Query did not finish successfully. Final query state: {execution.state}",
                "INVALID_QUERY_EXECUTION_ID",
            )
        outcome = execution.outcome
        names = [column[0] for column in outcome.columns]
        lines = [] if execution.is_insert else [names, *outcome.rows]  # the first row is the header
        first = int(request.get("NextToken") or 0)
        last = first + min(int(request.get("MaxResults") or _MAX_PAGE), _MAX_PAGE)
        answer: dict[str, Any] = {
            "UpdateCount": outcome.update_count or 0,
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if v is None else {"VarCharValue": v} for v in line]}
                    for line in lines[first:last]
                ],
                "ResultSetMetadata": {"ColumnInfo": [_column(*c) for c in outcome.columns]},
            },
        }
        if last < len(lines):
            answer["NextToken"] = str(last)
        return answer

    def _batch(self, ids: list[str]) -> dict[str, Any]:
        with self._lock:
            return {
                "QueryExecutions": [
                    self._executions[one].description() for one in ids if one in self._executions
                ],
                "UnprocessedQueryExecutionIds": [
                    {"QueryExecutionId": one} for one in ids if one not in self._executions
                ],
            }

    def _put_workgroup(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request.get("Name") or request.get("WorkGroup") or ""
        with self._lock:
            if (name in self._workgroups) == (operation == "CreateWorkGroup"):
                problem = "is already created" if name in self._workgroups else "is not found"
                raise RequestRefusedError("InvalidRequestException", f"WorkGroup {name} {problem}")
            before = self._workgroups.get(name, WorkGroup(name))
            changes = dict(
                request.get("Configuration") or request.get("ConfigurationUpdates") or {}
            )
            if "ResultConfigurationUpdates" in changes:
                changes["ResultConfiguration"] = changes.pop("ResultConfigurationUpdates")
            self._workgroups[name] = WorkGroup(
                name,
                {**before.configuration, **changes},
                request.get("Description", before.description),
            )
        return {}

    def _workgroup(self, name: str) -> WorkGroup:
        if name not in self._workgroups:
            raise RequestRefusedError(
                "InvalidRequestException", f"WorkGroup {name} is not found.", "WORKGROUP_NOT_FOUND"
            )
        return self._workgroups[name]

    def _execution(self, request: Mapping[str, Any]) -> Execution:
        name = request["QueryExecutionId"]
        if name not in self._executions:
            raise RequestRefusedError(
                "InvalidRequestException",
                f"QueryExecution {name} was not found",
                "INVALID_QUERY_EXECUTION_ID",
            )
        return self._executions[name]


def _column(name: str, kind: str, precision: int, scale: int) -> dict[str, Any]:
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind == "varchar",
    }
