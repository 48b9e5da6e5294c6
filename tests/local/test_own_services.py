"""The local run plays Rekognition itself where a template may call it."""

from pathlib import Path

from pipeline.local.deploy import deploy
from pipeline.local.deployment import Deployment
from pipeline.local.endpoint import Endpoint
from pipeline.local.own_services import own_services

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


def _deployment(*services: str) -> Deployment:
    return Deployment({}, (), {}, {}, {}, granted_services=frozenset(services))


def test_a_deployment_names_the_services_that_its_policies_grant(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)

    with Endpoint() as endpoint:
        deployment = deploy(path, endpoint, stack_name="granted", parameters={})

        assert deployment.granted_services == {"rekognition", "s3", "sts"}
        with own_services(deployment, endpoint, None) as services:
            assert services.rekognition
            url = services.rekognition.url
            assert endpoint.environment()["AWS_ENDPOINT_URL_REKOGNITION"] == url
            assert endpoint.client("rekognition").meta.endpoint_url == url


def test_nothing_is_started_that_nobody_may_call() -> None:
    with own_services(_deployment("s3"), Endpoint(), None) as services:
        assert services.rekognition is None


def test_a_users_endpoint_is_left_alone() -> None:
    endpoint = Endpoint("http://127.0.0.1:1")

    with own_services(_deployment("rekognition"), endpoint, None) as services:
        assert services.rekognition is None
    assert "AWS_ENDPOINT_URL_REKOGNITION" not in endpoint.environment()


def test_a_service_that_the_user_sends_elsewhere_stays_there() -> None:
    endpoint = Endpoint(service_urls={"rekognition": "http://127.0.0.1:2"})

    with own_services(_deployment("rekognition"), endpoint, None) as services:
        assert services.rekognition is None
