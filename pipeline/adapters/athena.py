"""Queries on Athena."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pipeline.adapters.aws import service_errors
from pipeline.flows.analytics.ports import Execution


class AthenaClient(Protocol):
    """What is used of boto3's client."""

    def start_query_execution(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        """Start a query."""

    def get_query_execution(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        """Describe a query."""

    def get_query_results(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        """Return a page of a result."""


class AthenaEngine:
    """`flows.analytics.ports.QueryEngine` in one workgroup, which says where results go.

    Args:
        client: boto3's client.
        workgroup: Name of the workgroup.
        database: Where names without a database are looked up.
    """

    def __init__(self, client: AthenaClient, workgroup: str, database: str) -> None:
        self._client = client
        self._workgroup = workgroup
        self._database = database

    def start(self, sql: str, parameters: Sequence[str], token: str) -> str:
        """Start a query and return its id, the same for the same token."""
        with service_errors("start a query"):
            query_execution_id: str = self._client.start_query_execution(
                QueryString=sql,
                ExecutionParameters=list(parameters),
                ClientRequestToken=token,
                QueryExecutionContext={"Database": self._database},
                WorkGroup=self._workgroup,
            )["QueryExecutionId"]
        return query_execution_id

    def look(self, query_execution_id: str) -> Execution:
        """Return how far a query is."""
        with service_errors(f"look at the query {query_execution_id}"):
            answer: Mapping[str, Any] = self._client.get_query_execution(
                QueryExecutionId=query_execution_id
            )["QueryExecution"]
        return Execution(
            query_execution_id=query_execution_id,
            sql=answer["Query"],
            parameters=tuple(answer.get("ExecutionParameters", ())),
            state=answer["Status"]["State"],
            reason=answer["Status"].get("StateChangeReason", ""),
            scanned_bytes=answer.get("Statistics", {}).get("DataScannedInBytes", 0),
        )

    def rows(self, query_execution_id: str) -> Sequence[Mapping[str, str | None]]:
        """Return all rows of a query that succeeded, by column."""
        lines: list[list[str | None]] = []
        request = {"QueryExecutionId": query_execution_id}
        while True:
            with service_errors(f"read the result of {query_execution_id}"):
                answer: Mapping[str, Any] = self._client.get_query_results(**request)
            lines += [
                [value.get("VarCharValue") for value in row["Data"]]
                for row in answer["ResultSet"]["Rows"]
            ]
            if not answer.get("NextToken"):
                break
            request["NextToken"] = answer["NextToken"]
        names = [str(name) for name in lines[0]]  # the first row of a SELECT is its header
        return [dict(zip(names, line, strict=True)) for line in lines[1:]]
