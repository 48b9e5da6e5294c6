"""Amazon Rekognition: labels and moderation labels of an image."""

from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from pipeline.adapters.aws import service_errors
from pipeline.flows.uploads.ports import Analysis, Label
from pipeline.images import Image, ImageRefusedError

MAX_LABELS: Final = 25
MIN_LABEL_CONFIDENCE: Final = 70.0
MIN_UNSAFE_CONFIDENCE: Final = 50.0
"""Below it Rekognition returns no label. The rule `unsafe_content` has a limit of its own."""

# Source: Amazon Rekognition API Reference, DetectLabels and DetectModerationLabels, errors. All
# others, throttling among them, are worth another try; InvalidS3ObjectException too: the object was
# there a moment ago, so it is a permission, or gone, which the next try tells.
_REFUSED: Final = frozenset(
    {"ImageTooLargeException", "InvalidImageFormatException", "InvalidParameterException"}
)


class RekognitionClient(Protocol):
    """What is used of boto3's client."""

    def detect_labels(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        """Call DetectLabels."""

    def detect_moderation_labels(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        """Call DetectModerationLabels."""


class RekognitionAnalyser:
    """`flows.uploads.ports.Analyser` on Amazon Rekognition."""

    def __init__(self, client: RekognitionClient) -> None:
        self._client = client

    def analyse(self, source: Image | bytes) -> Analysis:
        """Look at an object, or at the bytes of a JPEG or PNG of at most 5 MB.

        Raises:
            ImageRefusedError: It cannot read this image in this form.
        """
        image = _reference(source)
        with service_errors("look at an image"):
            try:
                seen = self._client.detect_labels(
                    Image=image, MaxLabels=MAX_LABELS, MinConfidence=MIN_LABEL_CONFIDENCE
                )
                unsafe = self._client.detect_moderation_labels(
                    Image=image, MinConfidence=MIN_UNSAFE_CONFIDENCE
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code not in _REFUSED:
                    raise
                raise ImageRefusedError("refused", f"Rekognition: {code}") from error
        models = seen.get("LabelModelVersion", ""), unsafe.get("ModerationModelVersion", "")
        return Analysis(
            labels=tuple(Label(label["Name"], label["Confidence"]) for label in seen["Labels"]),
            unsafe=tuple(
                Label(label["Name"], label["Confidence"], label.get("ParentName", ""))
                for label in unsafe["ModerationLabels"]
            ),
            model=f"labels {models[0]}, moderation {models[1]}",
        )


def _reference(source: Image | bytes) -> dict[str, Any]:
    if isinstance(source, bytes):
        return {"Bytes": source}
    found = {"Bucket": source.bucket, "Name": source.key}
    if source.version_id:
        found["Version"] = source.version_id
    return {"S3Object": found}
