"""A query on its way through Athena's states, and the event of each step."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pipeline.local.athena.engine import Outcome

State = Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]
ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})

# Source: Amazon Athena API Reference, AthenaError: category 2 is the user's, type 1000 unspecified.
_USER_ERROR: Final = {"ErrorCategory": 2, "ErrorType": 1000}


@dataclass(slots=True)
class Execution:
    """A query execution; `sequence` numbers its state changes."""

    id: str
    sql: str
    parameters: tuple[str, ...]
    database: str
    workgroup: str
    output: str
    encryption: dict[str, Any]
    submitted: float
    is_insert: bool
    state: State = "QUEUED"
    reason: str = ""
    retryable: bool = False
    completed: float | None = None
    started: float | None = None
    sequence: int = 0
    outcome: Outcome | None = None
    cancelled: bool = False
    interrupt: Any = field(default=None, repr=False)

    @property
    def statement_type(self) -> str:
        """`DML` for everything that is run here: Athena counts SELECT among it."""
        return "DML"

    @property
    def output_uri(self) -> str:
        """Where the result's object lies."""
        return f"{self.output.rstrip('/')}/{self.id}.csv"

    @property
    def manifest_uri(self) -> str:
        """Where the list of written objects lies."""
        return f"{self.output.rstrip('/')}/{self.id}-manifest.csv"

    def description(self) -> dict[str, Any]:
        """Return the execution as GetQueryExecution answers it."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.state == "FAILED":
            status["AthenaError"] = {
                **_USER_ERROR,
                "Retryable": self.retryable,
                "ErrorMessage": self.reason,
            }
        statistics: dict[str, Any] = {}
        if self.completed is not None:
            status["CompletionDateTime"] = self.completed
            begun = self.started or self.completed
            statistics = {
                "EngineExecutionTimeInMillis": round((self.completed - begun) * 1000),
                "QueryQueueTimeInMillis": round((begun - self.submitted) * 1000),
                "TotalExecutionTimeInMillis": round((self.completed - self.submitted) * 1000),
                "DataScannedInBytes": self.outcome.scanned_bytes if self.outcome else 0,
            }
        if self.outcome and self.is_insert:
            statistics["DataManifestLocation"] = self.manifest_uri
        described: dict[str, Any] = {
            "QueryExecutionId": self.id,
            "Query": self.sql,
            "StatementType": self.statement_type,
            "ResultConfiguration": {"OutputLocation": self.output_uri, **self.encryption},
            "QueryExecutionContext": {"Database": self.database, "Catalog": "awsdatacatalog"},
            "Status": status,
            "Statistics": statistics,
            "WorkGroup": self.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
            "SubstatementType": "INSERT" if self.is_insert else "SELECT",
        }
        if self.parameters:
            described["ExecutionParameters"] = list(self.parameters)
        return described

    def event(
        self, previous: State | None, account_id: str, region: str, at: float
    ) -> dict[str, Any]:
        """Return the state change as EventBridge delivers it.

        Source: Amazon Athena User Guide, "Athena query state change event".
        """
        detail: dict[str, Any] = {
            "versionId": "0",
            "currentState": self.state,
            "statementType": self.statement_type,
            "queryExecutionId": self.id,
            "workgroupName": self.workgroup,
            "sequenceNumber": str(self.sequence),
        }
        if previous is not None:
            detail["previousState"] = previous
        if self.state == "FAILED":
            detail["athenaError"] = {
                "errorCategory": 2.0,
                "errorType": 1000.0,
                "errorMessage": self.reason,
                "retryable": self.retryable,
            }
        return {
            "version": "0",
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.id}#{self.sequence}")),
            "detail-type": "Athena Query State Change",
            "source": "aws.athena",
            "account": account_id,
            "time": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": region,
            "resources": [],
            "detail": detail,
        }
