"""A template that has nothing to do with this project, in the style of public examples."""

import threading
from pathlib import Path

from pipeline.local.deploy import deploy
from pipeline.local.endpoint import Endpoint
from pipeline.local.run import LocalRun, RunEvent

FOREIGN = Path(__file__).with_name("templates") / "foreign.yaml"


class Lines:
    """The lines that the functions log."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []
        self._arrived = threading.Condition()

    def take(self, event: RunEvent) -> None:
        with self._arrived:
            self._lines.append((event.subject, event.message))
            self._arrived.notify_all()

    def wait_for(self, subject: str, message: str) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: (subject, message) in self._lines, timeout=60), (
                self._lines
            )


def test_a_template_of_others_runs_but_for_what_is_named(tmp_path: Path) -> None:
    lines = Lines()

    with LocalRun(FOREIGN, directory=tmp_path, stack_name="shop", on_event=lines.take) as run:
        deployment = run.deployment
        run.endpoint.client("dynamodb").put_item(
            TableName=deployment.physical_ids["Orders"], Item={"id": {"S": "o-1"}}
        )
        lines.wait_for("FollowOrders", "order o-1 in shop-Orders")

    never = {
        "Checkout": "AWS::StepFunctions::StateMachine",
        "Customers": "AWS::Cognito::UserPool",
        "CustomersClient": "AWS::Cognito::UserPoolClient",
        "ShopApi": "AWS::ApiGateway::RestApi",
        "ShopApiStage": "AWS::ApiGateway::Stage",
        "Site": "AWS::CloudFront::Distribution",
    }
    assert never.items() <= deployment.unhandled.items()
    assert set(deployment.functions) == {"Charge", "FollowOrders", "Pack", "PlaceOrder"}
    assert {"Orders", "Packing", "Unpacked", "Told", "Pictures", "PackLogs"} <= set(
        deployment.physical_ids
    )
    assert deployment.outputs["OrdersTable"] == "shop-Orders"
    assert "Domain" not in deployment.outputs  # its condition does not hold
    assert deployment.ignored_properties["Pack"] == ("Layers",)


def test_what_refers_to_a_resource_that_is_not_there_gets_a_name_or_an_arn(
    endpoint: Endpoint,
) -> None:
    deployment = deploy(FOREIGN, endpoint, stack_name="shop", parameters={})

    variables = {name: function.environment for name, function in deployment.functions.items()}
    account = "us-east-1:123456789012"
    assert variables["PlaceOrder"]["CHECKOUT"] == f"arn:aws:stepfunctions:{account}:shop-Checkout"
    assert variables["PlaceOrder"]["USER_POOL"] == "shop-Customers"
    assert variables["FollowOrders"]["SITE"] == "https://shop-site-domainname/orders"
