"""The local Rekognition through boto3, as the consumers meet it."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from pipeline.local.rekognition import Declared, Rekognition, declared
from tests.fakes.pictures import encoded, jpeg, photo, picture

BODY = jpeg()
TOML = f"""
[[image]]
sha256 = "{sha256(BODY).hexdigest()}"
labels = [
  {{ name = "Violence", confidence = 97.5 }},
  {{ name = "Weapons", confidence = 60.0, parent = "Violence", level = 2 }},
]
"""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="content")
        client.put_bucket_versioning(
            Bucket="content", VersioningConfiguration={"Status": "Enabled"}
        )
        yield client


@pytest.fixture
def server(s3: Any, tmp_path: Path) -> Iterator[Rekognition]:  # noqa: ANN401  boto3 clients have no common type
    path = tmp_path / "moderation.toml"
    path.write_text(TOML)
    with Rekognition(s3, declared(path)) as server:
        yield server


@pytest.fixture
def client(server: Rekognition) -> Any:  # noqa: ANN401  boto3 clients have no common type
    return boto3.client("rekognition", region_name="us-east-1", endpoint_url=server.url)


def labels(client: Any, body: bytes) -> dict[str, float]:  # noqa: ANN401  boto3 clients have no common type
    answer = client.detect_labels(Image={"Bytes": body})
    assert answer["LabelModelVersion"] == "local-pixels-1"
    return {label["Name"]: label["Confidence"] for label in answer["Labels"]}


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_labels_name_what_is_measured_with_the_share_as_confidence(client: Any) -> None:  # noqa: ANN401  boto3
    found = labels(client, encoded(picture(400, 300), "PNG"))

    assert found["Dominant colour: blue"] == pytest.approx(100 * (1 - 75 * 75 / (400 * 300)), abs=1)
    assert found["Orientation: landscape"] == 100
    assert found["Size: 400 x 300 pixels"] == 100
    assert "Brightness: bright" not in found


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((255, 255, 255), "white"),
        ((0, 0, 0), "black"),
        ((128, 128, 128), "grey"),
        ((200, 20, 20), "red"),
        ((20, 160, 40), "green"),
        ((120, 70, 20), "brown"),
    ],
)
def test_a_plain_field_has_the_name_of_its_colour(
    client: Any,  # noqa: ANN401  boto3
    colour: tuple[int, int, int],
    name: str,
) -> None:
    found = labels(client, encoded(picture(100, 100).point(lambda _: 0), "PNG"))
    assert found["Dominant colour: black"] == 100

    field = picture(100, 100)
    field.paste(colour, (0, 0, 100, 100))

    assert labels(client, encoded(field, "PNG"))[f"Dominant colour: {name}"] == pytest.approx(100)


def test_an_image_on_its_side_is_seen_upright(client: Any) -> None:  # noqa: ANN401  boto3
    exif = picture().getexif()
    exif[0x0112] = 6

    found = labels(client, encoded(picture(400, 300), exif=exif))

    assert found["Orientation: portrait"] == 100


def test_image_properties_have_the_shape_of_the_service(client: Any) -> None:  # noqa: ANN401  boto3
    answer = client.detect_labels(
        Image={"Bytes": encoded(photo(800, 600))}, Features=["IMAGE_PROPERTIES"]
    )

    properties = answer["ImageProperties"]
    assert "Labels" not in answer
    assert all(0 <= value <= 100 for value in properties["Quality"].values())
    assert sum(one["PixelPercent"] for one in properties["DominantColors"]) == pytest.approx(100)
    assert properties["DominantColors"][0].keys() >= {"CSSColor", "HexCode", "SimplifiedColor"}


def test_a_blurred_picture_is_less_sharp(client: Any) -> None:  # noqa: ANN401  boto3
    sharp = photo(800, 600)
    blurred = sharp.resize((40, 30)).resize((800, 600))

    quality = [
        client.detect_labels(Image={"Bytes": encoded(one)}, Features=["IMAGE_PROPERTIES"])[
            "ImageProperties"
        ]["Quality"]["Sharpness"]
        for one in (sharp, blurred)
    ]

    assert quality[0] > quality[1]


def test_an_object_is_read_in_the_version_that_is_asked_for(client: Any, s3: Any) -> None:  # noqa: ANN401  boto3
    first = s3.put_object(Bucket="content", Key="a b.jpg", Body=jpeg(300, 300))["VersionId"]
    s3.put_object(Bucket="content", Key="a b.jpg", Body=jpeg(400, 300))

    answer = client.detect_labels(
        Image={"S3Object": {"Bucket": "content", "Name": "a b.jpg", "Version": first}}
    )

    assert "Orientation: square" in [label["Name"] for label in answer["Labels"]]


def test_moderation_labels_are_those_declared_for_these_very_bytes(
    client: Any,  # noqa: ANN401  boto3
    server: Rekognition,
) -> None:
    answer = client.detect_moderation_labels(Image={"Bytes": BODY}, MinConfidence=70)

    assert answer["ModerationModelVersion"] == "local-declared-1"
    assert answer["ModerationLabels"] == [
        {"Name": "Violence", "ParentName": "", "Confidence": 97.5, "TaxonomyLevel": 1}
    ]
    assert server.counts == {"DetectModerationLabels": 1, "declared": 1}


def test_what_is_not_declared_has_no_moderation_labels(client: Any) -> None:  # noqa: ANN401  boto3
    answer = client.detect_moderation_labels(Image={"Bytes": jpeg(401, 300)})

    assert answer["ModerationLabels"] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"no image", "InvalidImageFormatException"),
        (encoded(picture(), "WEBP"), "InvalidImageFormatException"),
        (BODY[:1500], "InvalidImageFormatException"),
        (encoded(picture(10_001, 90), "PNG"), "ImageTooLargeException"),
        (jpeg(79, 300), "InvalidParameterException"),
    ],
    ids=["text", "WebP", "truncated", "too wide", "too small"],
)
@pytest.mark.parametrize("operation", ["detect_labels", "detect_moderation_labels"])
def test_what_the_service_refuses_is_refused_with_its_code(
    client: Any,  # noqa: ANN401  boto3
    operation: str,
    body: bytes,
    expected: str,
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(client, operation)(Image={"Bytes": body})

    assert code(error) == expected


def test_an_object_that_is_missing_or_too_large_is_refused(client: Any, s3: Any) -> None:  # noqa: ANN401  boto3
    s3.put_object(Bucket="content", Key="large", Body=bytes(15 * 1024 * 1024 + 1))
    codes = []

    for key in ("missing", "large"):
        with pytest.raises(ClientError) as error:
            client.detect_labels(Image={"S3Object": {"Bucket": "content", "Name": key}})
        codes.append(code(error))

    assert codes == ["InvalidS3ObjectException", "ImageTooLargeException"]


def test_other_operations_are_unknown(client: Any) -> None:  # noqa: ANN401  boto3
    with pytest.raises(ClientError) as error:
        client.detect_faces(Image={"Bytes": BODY})

    assert code(error) == "UnknownOperationException"


def test_a_declaration_with_a_fault_is_refused_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "moderation.toml"
    path.write_text('[[image]]\nsha256 = "aa"\nlabels = [{ name = "Violence" }]\n')

    with pytest.raises(msgspec.ValidationError, match=r"confidence.*\$.image\[0\].labels\[0\]"):
        declared(path)


def test_nothing_is_declared_without_a_file() -> None:
    assert Declared().labels(BODY) == ()
