"""The local run plays Rekognition itself where a template may call it."""

from pathlib import Path

from pipeline.local.deploy import deploy
from pipeline.local.endpoint import Endpoint
from pipeline.local.own_services import OwnServices

TEMPLATE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}
      Policies:
        - PolicyName: one
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: "rekognition:DetectLabels", Resource: "*"}
              - {Effect: Allow, Action: ["s3:GetObject", "S3:PutObject"], Resource: "*"}
"""


def test_a_deployment_names_the_services_that_it_has_or_may_call(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    used: list[frozenset[str]] = []

    with Endpoint() as endpoint:
        deploy(path, endpoint, stack_name="used", parameters={}, on_services=used.append)

    assert used == [{"iam", "rekognition", "s3", "sts"}]


def test_what_is_used_is_started_and_clients_are_led_there() -> None:
    with Endpoint() as endpoint, OwnServices(endpoint) as services:
        services.start({"rekognition", "s3"})

        assert services.rekognition
        assert services.athena is None
        url = services.rekognition.url
        assert endpoint.client("rekognition").meta.endpoint_url == url
        assert endpoint.environment()["AWS_ENDPOINT_URL_REKOGNITION"] == url


def test_nothing_is_started_that_nobody_uses() -> None:
    with OwnServices(Endpoint()) as services:
        services.start({"s3"})

        assert (services.rekognition, services.athena) == (None, None)
        assert services.activity == (0, 0)


def test_a_users_endpoint_is_left_alone() -> None:
    endpoint = Endpoint("http://127.0.0.1:1")

    with OwnServices(endpoint) as services:
        services.start({"rekognition", "athena"})

        assert (services.rekognition, services.athena) == (None, None)
    assert "AWS_ENDPOINT_URL_REKOGNITION" not in endpoint.environment()


def test_a_service_that_the_user_sends_elsewhere_stays_there() -> None:
    urls = {"rekognition": "http://127.0.0.1:2", "athena": "http://127.0.0.1:3"}

    with OwnServices(Endpoint(service_urls=urls)) as services:
        services.start({"rekognition", "athena"})

        assert (services.rekognition, services.athena) == (None, None)
