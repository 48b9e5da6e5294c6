"""Queues and their mappings as a template brings them up, and what AWS refuses about them."""

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest

from pipeline.local.deploy import deploy
from pipeline.local.deployment import Deployment
from pipeline.local.endpoint import Endpoint
from pipeline.local.intrinsics import TemplateError

QUEUES = Path(__file__).with_name("templates") / "queues.yaml"

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QUEUE}
  Worker:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: ., Runtime: python3.13, Handler: app.handler, Timeout: 40 }
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: { EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Worker, MAPPING }
"""

BringUp = Callable[..., Deployment]


@pytest.fixture
def bring_up(tmp_path: Path, endpoint: Endpoint, request: pytest.FixtureRequest) -> BringUp:
    """Deploy a queue with the given properties and a mapping with the given settings."""

    def bring_up_one(*, queue: str = "VisibilityTimeout: 60", mapping: str = "") -> Deployment:
        path = tmp_path / "template.yaml"
        settings = f", {mapping}" if mapping else ""
        path.write_text(
            TEMPLATE.replace("{QUEUE}", f"{{ {queue} }}").replace(", MAPPING", settings)
        )
        name = f"q{crc32(request.node.name.encode())}"
        return deploy(path, endpoint, stack_name=name, parameters={})

    return bring_up_one


OR_PATTERN = '{"$or": [{"body": {"a": [1]}}, {"awsRegion": ["x"]}]}'
DEAD = "deadLetterTargetArn: arn:aws:sqs:us-east-1:123456789012:dead"
FIFO = "FifoQueue: true, VisibilityTimeout: 60"


def test_a_mapping_has_lambdas_defaults(bring_up: BringUp) -> None:
    deployment = bring_up()

    (mapping,) = deployment.queue_mappings
    assert mapping.logical_id == "Mapping"
    assert mapping.function == "Worker"
    assert mapping.queue_url == deployment.physical_ids["Queue"]
    assert mapping.visibility_timeout_s == 60
    assert (mapping.batch_size, mapping.batching_window_s) == (10, 0)
    assert mapping.maximum_concurrency is None
    assert not mapping.report_batch_item_failures
    assert mapping.filters == ()
    assert (deployment.mappings, deployment.unhandled) == ((), {})


def test_sams_events_and_plain_mappings_are_alike(endpoint: Endpoint) -> None:
    deployment = deploy(QUEUES, endpoint, stack_name="queues", parameters={"Notes": "notes"})

    settings = {
        mapping.source_arn.rsplit(":", 1)[1]: (
            mapping.function,
            mapping.batch_size,
            mapping.batching_window_s,
            mapping.maximum_concurrency,
            mapping.report_batch_item_failures,
            len(mapping.filters),
        )
        for mapping in deployment.queue_mappings
    }
    assert settings == {
        "queues-Jobs": ("JobWorker", 100, 1, None, True, 0),
        "queues-Orders.fifo": ("OrderWorker", 2, 0, 2, True, 0),
        "queues-Readings": ("ReadingWorker", 1, 0, None, False, 1),
    }
    assert deployment.unhandled == {}
    assert not deployment.ignored_properties.keys() & {"Jobs", "Orders", "ReadingMapping"}


def test_a_disabled_mapping_is_none_of_the_deployments(bring_up: BringUp) -> None:
    deployment = bring_up(mapping="Enabled: false")

    assert deployment.queue_mappings == ()
    assert "Mapping" in deployment.physical_ids


@pytest.mark.parametrize(
    ("queue", "mapping", "message"),
    [
        (
            "VisibilityTimeout: 39",
            "",
            "Queue visibility timeout: 39 seconds is less than Function timeout: 40 seconds",
        ),
        (
            "",
            "",
            "Queue visibility timeout: 30 seconds is less than Function timeout: 40 seconds",
        ),
        (
            "VisibilityTimeout: 60",
            "BatchSize: 11",
            "must be greater than 0 if maximum batch size is greater than 10",
        ),
        (
            "VisibilityTimeout: 60",
            "BatchSize: 10001, MaximumBatchingWindowInSeconds: 1",
            "BatchSize: 10001 is not within 1 and 10000",
        ),
        ("VisibilityTimeout: 60", "BatchSize: 0", "BatchSize: 0 is not within"),
        (
            "VisibilityTimeout: 60",
            "MaximumBatchingWindowInSeconds: 301",
            "301 is not within 0 and 300",
        ),
        (FIFO, "BatchSize: 11", "Maximum batch size must be between 1 and 10 inclusive"),
        (
            FIFO,
            "MaximumBatchingWindowInSeconds: 1",
            "Batching window is not supported for FIFO queues",
        ),
        (
            "VisibilityTimeout: 60",
            "ScalingConfig: { MaximumConcurrency: 1 }",
            "MaximumConcurrency: 1 is not within 2 and 1000",
        ),
        (
            "VisibilityTimeout: 60",
            "ScalingConfig: { MaximumConcurrency: 1001 }",
            "MaximumConcurrency: 1001 is not within 2 and 1000",
        ),
        (
            "VisibilityTimeout: 60",
            "BisectBatchOnFunctionError: true",
            "Unsupported source parameter BisectBatchOnFunctionError",
        ),
        (
            "VisibilityTimeout: 60",
            "MaximumRetryAttempts: 3",
            "Unsupported source parameter MaximumRetryAttempts",
        ),
        (
            "VisibilityTimeout: 60",
            "StartingPosition: LATEST",
            "Unsupported source parameter StartingPosition",
        ),
        (
            "VisibilityTimeout: 60",
            "DestinationConfig: { OnFailure: { Destination: !GetAtt Queue.Arn } }",
            "a mapping of a queue has no on-failure destination",
        ),
        (
            "VisibilityTimeout: 60",
            "FunctionResponseTypes: [ReportEverything]",
            "FunctionResponseTypes: .* is unknown",
        ),
        (
            "VisibilityTimeout: 60",
            'FilterCriteria: { Filters: [{ Pattern: \'{"body": {"a": 1}}\' }] }',
            "Invalid filter pattern definition",
        ),
        (
            "VisibilityTimeout: 60",
            'FilterCriteria: { Filters: [{ Pattern: \'{"messageId": ["a"]}\' }] }',
            "only support filtering on the body key, not on messageId",
        ),
        (
            "VisibilityTimeout: 60",
            f"FilterCriteria: {{ Filters: [{{ Pattern: '{OR_PATTERN}' }}] }}",
            "only support filtering on the body key, not on awsRegion",
        ),
    ],
)
def test_what_lambda_refuses_is_refused(
    bring_up: BringUp, queue: str, mapping: str, message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        bring_up(queue=queue, mapping=mapping)


def test_a_queue_that_does_not_exist_is_refused(tmp_path: Path, endpoint: Endpoint) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        TEMPLATE.replace("{QUEUE}", "{}")
        .replace("!GetAtt Queue.Arn", "arn:aws:sqs:us-east-1:123456789012:nowhere")
        .replace(", MAPPING", "")
    )

    with pytest.raises(TemplateError, match=r"The specified queue does not exist: .*:nowhere"):
        deploy(path, endpoint, stack_name="nowhere", parameters={})


def test_a_second_mapping_of_a_queue_to_the_same_function_is_refused(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    path = tmp_path / "template.yaml"
    mapping = TEMPLATE.rsplit("  Mapping:", 1)[1]
    text = f"{TEMPLATE}  Second:{mapping}".replace(", MAPPING", "")
    path.write_text(text.replace("{QUEUE}", "{ VisibilityTimeout: 60 }"))

    with pytest.raises(TemplateError, match="provided mapping already exists"):
        deploy(path, endpoint, stack_name="twice", parameters={})


@pytest.mark.parametrize(
    ("queue", "message"),
    [
        ("VisibilityTimeout: 43201", "Invalid value for the parameter VisibilityTimeout: 43201"),
        ("DelaySeconds: 901", "Invalid value for the parameter DelaySeconds: 901"),
        ("MessageRetentionPeriod: 59", "Invalid value for the parameter MessageRetentionPeriod"),
        ("ReceiveMessageWaitTimeSeconds: 21", "ReceiveMessageWaitTimeSeconds: 21"),
        ("ContentBasedDeduplication: true", "Unknown Attribute ContentBasedDeduplication."),
        ("FifoQueue: true, QueueName: orders", "the name of a FIFO queue ends in .fifo: orders"),
        ("QueueName: orders.fifo", "Can only include alphanumeric characters"),
        (
            f"RedrivePolicy: {{ {DEAD}, maxReceiveCount: 0 }}",
            "valid values are from 1 to 1000 both inclusive",
        ),
        (
            f"RedrivePolicy: {{ {DEAD}.fifo, maxReceiveCount: 5 }}",
            "Dead-letter queue must be same type of queue as the source",
        ),
    ],
)
def test_what_sqs_refuses_is_refused(bring_up: BringUp, queue: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        bring_up(queue=queue)
