import json
from pathlib import Path

from click.testing import CliRunner

from pipeline.cli.demo.flow import flow, picture
from pipeline.cli.demo.wiring import EventSource, Place, Step, Target, Wiring
from pipeline.local.translate import load_template

ANOMALIES_TO_ALERTS = "AnomaliesTable (DynamoDB) ──Anomalies──► DynamodbAlertsFunction"
TEMPLATE = Path(__file__).resolve().parents[4] / "template.yaml"


def _run(*options: str) -> str:
    result = CliRunner().invoke(flow, ["--template", str(TEMPLATE), *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_picture_of_the_template_shows_every_function_and_mapping() -> None:
    resources = load_template(TEMPLATE)["Resources"]
    names = [
        name
        for function, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
        for name in (f"─► {function} ─", *(f" ──{event}" for event in _events(resource)))
    ]

    shown = _run()

    assert len(names) >= 4
    assert [name for name in names if name not in shown] == []


def test_the_picture_of_the_alert_function_is_as_designed() -> None:
    (block,) = [one for one in _run().split("\n\n") if one.startswith(ANOMALIES_TO_ALERTS)]

    assert block.splitlines() == [
        ANOMALIES_TO_ALERTS + " ──┬◄─► AlertsTable (DynamoDB)",
        " " * 64 + "  ├◄─► SilencesTable (DynamoDB)",
        " " * 64 + "  ├──► AlertsTopic (SNS)",
        " " * 64 + "  ├──► OnCallTopic (SNS) ──► email, if HasOnCallEmail",
        " " * 64 + "  └──► FailuresBucket aws/lambda/ (S3), what Lambda gives up",
    ]


def test_the_document_shows_the_picture_of_the_template() -> None:
    document = (TEMPLATE.parent / "docs" / "commands.md").read_text()

    shown = _run()

    assert shown in document


def test_several_sources_join_and_one_target_needs_no_branch() -> None:
    step = Step(
        "Worker",
        (EventSource("Work", "Jobs", "SQS"), EventSource("Every", "rate(1 minute)", "ScheduleV2")),
        (Target(Place("Rows", "DynamoDB"), "write", on_failure=False),),
    )

    lines = list(picture(Wiring((step,), ())))

    assert lines[:2] == [
        "Jobs (SQS) ──Work──────────────────┬─► Worker ─────► Rows (DynamoDB)",
        "rate(1 minute) (ScheduleV2) ──Every┘",
    ]


def test_a_function_that_nothing_invokes_and_that_writes_nothing_is_shown() -> None:
    lines = list(picture(Wiring((Step("Idle", (), ()),), ())))

    assert lines[0] == "(nothing) ──► Idle"


def test_as_json_it_is_the_wiring() -> None:
    wiring = json.loads(_run("--json"))

    assert wiring["steps"][0]["function"] == "KinesisEventsFunction"
    assert wiring["steps"][0]["sources"] == [
        {"name": "Records", "source": "EventStream", "kind": "Kinesis"}
    ]


def test_as_mermaid_it_is_a_flowchart() -> None:
    lines = _run("--mermaid").splitlines()

    assert lines[0] == "flowchart LR"
    assert (
        '  AnomaliesTable["AnomaliesTable<br/>DynamoDB"] -->|"Anomalies"| DynamodbAlertsFunction'
        in lines
    )
    assert '  OnCallTopic --> OnCallEmailSubscription["email"]' in lines


def test_two_forms_at_once_are_a_wrong_usage() -> None:
    options = ["--template", str(TEMPLATE), "--json", "--mermaid"]

    result = CliRunner().invoke(flow, options)

    assert result.exit_code == 2


def test_what_is_no_template_ends_with_exit_code_3(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("a: b")

    result = CliRunner().invoke(flow, ["--template", str(file)])

    assert result.exit_code == 3
    assert "is not a template" in result.output


def _events(resource: dict[str, dict[str, dict[str, object]]]) -> list[str]:
    return list(resource["Properties"]["Events"])
