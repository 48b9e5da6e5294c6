"""The local Athena as boto3 sees it; docs/analytics.md says what differs from AWS."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from pipeline.local.athena.endpoint import AthenaEndpoint
from pipeline.local.athena.projection import permits

TEXT = {
    "Location": "s3://lines/in/",
    "Columns": [{"Name": "line", "Type": "string"}],
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    },
}
PARQUET = {
    "Location": "s3://lines/out/",
    "Columns": [{"Name": "n", "Type": "bigint"}],
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "SerdeInfo": {},
}
TOKEN = "t" * 32


class Local:
    """The endpoint's client, and the events that it has sent."""

    def __init__(self, client: Any, s3: Any, events: list[dict[str, Any]]) -> None:  # noqa: ANN401  boto3 clients have no common type
        self.client = client
        self.s3 = s3
        self.events = events

    def start(self, sql: str, *parameters: str, **more: Any) -> str:  # noqa: ANN401  the request's own fields
        values = {"ExecutionParameters": list(parameters)} if parameters else {}
        query: str = self.client.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": "db"},
            ResultConfiguration={"OutputLocation": "s3://lines/results/"},
            **values,
            **more,
        )["QueryExecutionId"]
        return query

    def look(self, query: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get_query_execution(QueryExecutionId=query)
        return answer["QueryExecution"]  # type: ignore[no-any-return]

    def ended(self, query: str) -> dict[str, Any]:
        while (seen := self.look(query))["Status"]["State"] in {"QUEUED", "RUNNING"}:
            pass
        return seen

    def reason(self, sql: str) -> str:
        status = self.ended(self.start(sql))["Status"]
        assert status["State"] == "FAILED"
        return str(status["StateChangeReason"])

    def rows(self, sql: str, *parameters: str) -> list[list[str | None]]:
        query = self.start(sql, *parameters)
        status = self.ended(query)["Status"]
        assert status["State"] == "SUCCEEDED", status
        found = self.client.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
        return [[value.get("VarCharValue") for value in row["Data"]] for row in found]


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    events: list[dict[str, Any]] = []
    with mock_aws():
        s3, glue = boto3.client("s3"), boto3.client("glue")
        s3.create_bucket(Bucket="lines")
        s3.put_object(Bucket="lines", Key="in/dt=2026-03-01/x.txt", Body=b'one\ntwo, "2"\n')
        s3.put_object(Bucket="lines", Key="in/dt=2026-03-02/x.txt", Body=b"three\n")
        glue.create_database(DatabaseInput={"Name": "db"})
        projection = {
            "projection.enabled": "true",
            "projection.dt.type": "date",
            "projection.dt.format": "yyyy-MM-dd",
            "projection.dt.range": "2026-03-01,2026-03-31",
        }
        keys = [{"Name": "dt", "Type": "string"}]
        for name, stored, partitions in (("lines", TEXT, keys), ("numbers", PARQUET, [])):
            glue.create_table(
                DatabaseName="db",
                TableInput={
                    "Name": name,
                    "StorageDescriptor": stored,
                    "PartitionKeys": partitions,
                    "Parameters": projection,
                },
            )
        with AthenaEndpoint(s3, glue, on_state_change=events.append) as endpoint:
            client = boto3.client("athena", endpoint_url=endpoint.url)
            yield Local(client, s3, events)


def test_a_query_gives_a_header_values_and_types(local: Local) -> None:
    query = local.start("SELECT count(*) AS n, CAST(1.5 AS double) AS x, 'a' AS t FROM lines")

    local.ended(query)

    result = local.client.get_query_results(QueryExecutionId=query)["ResultSet"]
    assert [[v["VarCharValue"] for v in row["Data"]] for row in result["Rows"]] == [
        ["n", "x", "t"],
        ["3", "1.5", "a"],
    ]
    kinds = [column["Type"] for column in result["ResultSetMetadata"]["ColumnInfo"]]
    assert kinds == ["bigint", "double", "varchar"]


def test_a_result_lies_at_the_output_location_as_csv(local: Local) -> None:
    query = local.start("SELECT line, nullif(1, 1) AS none FROM lines WHERE dt = '2026-03-01'")

    where = local.ended(query)["ResultConfiguration"]["OutputLocation"]

    assert where == f"s3://lines/results/{query}.csv"
    body = local.s3.get_object(Bucket="lines", Key=f"results/{query}.csv")["Body"].read()
    assert body == b'"line","none"\n"one",\n"two, ""2""",\n'


def test_conditions_on_partitions_spare_their_objects(local: Local) -> None:
    query = local.start("SELECT line FROM lines WHERE dt >= ? AND line <> 'x'", "'2026-03-02'")

    assert local.ended(query)["Statistics"]["DataScannedInBytes"] == 6


def test_what_the_projection_leaves_out_is_not_read(local: Local) -> None:
    local.s3.put_object(Bucket="lines", Key="in/dt=2026-04-01/x.txt", Body=b"late\n")
    local.s3.put_object(Bucket="lines", Key="in/dt=today/x.txt", Body=b"no date\n")

    assert local.rows("SELECT count(*) FROM lines")[1:] == [["3"]]


def test_the_same_token_gives_the_same_execution(local: Local) -> None:
    first = local.start("SELECT 1 AS n", ClientRequestToken=TOKEN)
    second = local.start("SELECT 1 AS n", ClientRequestToken=TOKEN)

    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        local.start("SELECT 2 AS n", ClientRequestToken=TOKEN)
    assert first == second


def test_parameters_are_values_and_never_sql(local: Local) -> None:
    hostile = "'x'' OR ''1'' = ''1'"

    rows = local.rows("SELECT line FROM lines WHERE line = ? OR dt = ?", hostile, "'2026-03-02'")

    assert rows == [["line"], ["three"]]


@pytest.mark.parametrize("parameter", ["dt", "'a' OR 1 = 1", "(SELECT 1)", "'a'; SELECT 1"])
def test_a_parameter_that_is_no_literal_is_refused(local: Local, parameter: str) -> None:
    with pytest.raises(ClientError, match="no literal") as refused:
        local.start("SELECT line FROM lines WHERE dt = ?", parameter)

    answer: dict[str, Any] = {**refused.value.response}
    assert answer["AthenaErrorCode"] == "MALFORMED_QUERY"


def test_a_missing_parameter_and_one_outside_of_where_are_refused(local: Local) -> None:
    with pytest.raises(ClientError, match="expected 1 but found 0"):
        local.start("SELECT line FROM lines WHERE dt = ?")
    with pytest.raises(ClientError, match="only in the WHERE clause"):
        local.start("SELECT ? FROM lines", "1")


def test_failures_say_why(local: Local) -> None:
    assert local.reason("SELECT * FROM nothing") == (
        "TABLE_NOT_FOUND: Table 'awsdatacatalog.db.nothing' does not exist"
    )
    assert local.reason("SELECT nothing FROM lines").startswith("COLUMN_NOT_FOUND: ")
    assert local.reason("SELECT CAST('x' AS bigint)").startswith("INVALID_CAST_ARGUMENT: ")
    assert local.reason("INSERT INTO numbers SELECT 'x' AS n").startswith("TYPE_MISMATCH: ")


def test_a_query_cannot_read_files_of_this_machine(local: Local) -> None:
    reason = local.reason("SELECT * FROM read_text('/etc/hostname')")

    assert "file system operations are disabled" in reason or "Permission" in reason


def test_an_insert_adds_objects_that_a_select_reads(local: Local) -> None:
    query = local.start("INSERT INTO numbers SELECT CAST(7 AS bigint) AS n")
    seen = local.ended(query)

    assert seen["StatementType"] == "DML"
    assert local.client.get_query_results(QueryExecutionId=query)["UpdateCount"] == 1
    assert local.rows("SELECT n FROM numbers") == [["n"], ["7"]]


def test_long_results_come_in_pages(local: Local) -> None:
    query = local.start("SELECT line FROM lines ORDER BY line")
    local.ended(query)

    first = local.client.get_query_results(QueryExecutionId=query, MaxResults=3)
    second = local.client.get_query_results(
        QueryExecutionId=query, MaxResults=3, NextToken=first["NextToken"]
    )

    assert len(first["ResultSet"]["Rows"]) == 3
    assert [row["Data"][0]["VarCharValue"] for row in second["ResultSet"]["Rows"]] == ['two, "2"']
    assert "NextToken" not in second


def test_each_step_is_told_in_order(local: Local) -> None:
    query = local.start("SELECT 1 AS n")
    local.ended(query)
    while len(local.events) < 3:
        threading.Event().wait(0.01)

    details = [event["detail"] for event in local.events]
    assert [detail["currentState"] for detail in details] == ["QUEUED", "RUNNING", "SUCCEEDED"]
    assert details[2] == {
        "versionId": "0",
        "currentState": "SUCCEEDED",
        "previousState": "RUNNING",
        "statementType": "DML",
        "queryExecutionId": query,
        "workgroupName": "primary",
        "sequenceNumber": "2",
    }


def test_a_query_that_is_stopped_is_cancelled(local: Local) -> None:
    query = local.start(
        "SELECT count(*) FROM UNNEST(sequence(1, 100000)) AS a (n) "
        "CROSS JOIN UNNEST(sequence(1, 10000000)) AS b (m) WHERE n * m % 7 = 3"
    )

    local.client.stop_query_execution(QueryExecutionId=query)

    assert local.ended(query)["Status"]["State"] == "CANCELLED"


def test_a_query_that_is_stopped_while_its_result_is_written_is_cancelled(local: Local) -> None:
    started = threading.Event()
    query = ""

    def stop(**_: object) -> None:
        assert started.wait(60)
        local.client.stop_query_execution(QueryExecutionId=query)

    local.s3.meta.events.register("before-call.s3.PutObject", stop)

    query = local.start("SELECT 1 AS n")
    started.set()

    assert local.ended(query)["Status"]["State"] == "CANCELLED"
    assert local.events[-1]["detail"]["currentState"] == "CANCELLED"


def test_an_unknown_workgroup_and_query_are_refused(local: Local) -> None:
    with pytest.raises(ClientError, match="WorkGroup none is not found"):
        local.start("SELECT 1 AS n", WorkGroup="none")
    with pytest.raises(ClientError, match="QueryExecution none was not found"):
        local.look("none")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2026-03-02-11", True), ("2026-03-02-12", True), ("2026-03-02-13", False), ("x", False)],
)
def test_a_projection_of_hours_ends_now(value: str, expected: bool) -> None:  # noqa: FBT001  a table of cases
    parameters = {
        "projection.arrival.type": "date",
        "projection.arrival.format": "yyyy-MM-dd-HH",
        "projection.arrival.range": "NOW-400DAYS,NOW",
    }

    now = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)

    assert permits(parameters, "arrival", value, now) is expected
