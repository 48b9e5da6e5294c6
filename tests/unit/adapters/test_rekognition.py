from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from pipeline.adapters.rekognition import RekognitionAnalyser
from pipeline.errors import RetryableError
from pipeline.flows.uploads.ports import Analysis, Label
from pipeline.images import Image, ImageRefusedError

IMAGE = Image(bucket="content", key="uploads/u1/x", version_id="v1", sequencer="0A")


@pytest.fixture
def client() -> Any:  # noqa: ANN401  boto3 clients have no common type
    return boto3.client(
        "rekognition",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "InternalServerError",
        "InvalidS3ObjectException",
        "AccessDeniedException",
    ],
)
def test_what_may_pass_is_worth_another_try(client: Any, code: str) -> None:  # noqa: ANN401  boto3
    with Stubber(client) as stub:
        stub.add_client_error("detect_labels", code)

        with pytest.raises(RetryableError, match=code):
            RekognitionAnalyser(client).analyse(IMAGE)


@pytest.mark.parametrize(
    "code",
    ["InvalidImageFormatException", "ImageTooLargeException", "InvalidParameterException"],
)
def test_an_image_that_is_refused_is_refused(client: Any, code: str) -> None:  # noqa: ANN401  boto3
    with Stubber(client) as stub:
        stub.add_client_error("detect_labels", code)

        with pytest.raises(ImageRefusedError, match=f"Rekognition: {code}"):
            RekognitionAnalyser(client).analyse(IMAGE)


def test_an_object_is_passed_by_its_version_and_the_answer_in_our_words(client: Any) -> None:  # noqa: ANN401  boto3
    by_version = {"S3Object": {"Bucket": "content", "Name": "uploads/u1/x", "Version": "v1"}}
    violence = {"Name": "Weapons", "Confidence": 91.5, "ParentName": "Violence"}
    with Stubber(client) as stub:
        stub.add_response(
            "detect_labels",
            {"Labels": [{"Name": "Dog", "Confidence": 99.5}], "LabelModelVersion": "3.0"},
            {"Image": by_version, "MaxLabels": 25, "MinConfidence": 70.0},
        )
        stub.add_response(
            "detect_moderation_labels",
            {"ModerationLabels": [violence], "ModerationModelVersion": "7.0"},
            {"Image": by_version, "MinConfidence": 50.0},
        )

        analysis = RekognitionAnalyser(client).analyse(IMAGE)

    assert analysis == Analysis(
        labels=(Label("Dog", 99.5),),
        unsafe=(Label("Weapons", 91.5, "Violence"),),
        model="labels 3.0, moderation 7.0",
    )
