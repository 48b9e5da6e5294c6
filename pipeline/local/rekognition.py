"""A Rekognition endpoint on the loopback interface that measures pixels and recognises nothing.

It speaks the service's protocol, limits and error codes, so boto3 cannot tell the difference; its
model version says `local-pixels-1`, and its labels name measurements, such as
`Dominant colour: blue` with the share of blue pixels as confidence. Moderation labels are never
guessed: they are declared beforehand for the exact bytes of an image, else there are none.
"""

import base64
import binascii
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from botocore.exceptions import ClientError

from pipeline.local.json_service import JsonService
from pipeline.local.pixels import Look, NotReadableError, look, size_of

MODEL_VERSION: Final = "local-pixels-1"
DECLARED_VERSION: Final = "local-declared-1"

# Source: Amazon Rekognition Developer Guide, guidelines and quotas.
MAX_BYTES: Final = 5 * 1024 * 1024
MAX_OBJECT_BYTES: Final = 15 * 1024 * 1024
MAX_SIDE: Final = 10_000
MIN_SIDE: Final = 80

# Source: Amazon Rekognition API Reference, DetectLabels and DetectModerationLabels.
_DEFAULT_CONFIDENCE: Final = {"DetectLabels": 55.0, "DetectModerationLabels": 50.0}


class DeclaredLabel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A moderation label to answer with; `level` is its depth in the taxonomy."""

    name: str
    confidence: float
    parent: str = ""
    level: int = 1


class DeclaredImage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to answer about the image whose file has this SHA-256, in hexadecimal."""

    sha256: str
    labels: tuple[DeclaredLabel, ...]


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The moderation answers of a run."""

    image: tuple[DeclaredImage, ...] = ()

    def labels(self, body: bytes) -> Sequence[DeclaredLabel]:
        """Return what is declared for these bytes, nothing for all others."""
        digest = sha256(body).hexdigest()
        return next((one.labels for one in self.image if one.sha256.lower() == digest), ())


def declared(path: Path) -> Declared:
    """Read a TOML file of `[[image]]` tables.

    Raises:
        msgspec.DecodeError: It is no such file; the message names the field.
    """
    return msgspec.toml.decode(path.read_bytes(), type=Declared)


class _RefusedError(Exception):
    """An answer with one of the service's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rekognition(JsonService):
    """The endpoint, as a context manager; safe to call from many clients at once.

    Args:
        s3: boto3's client of the S3 that holds the objects.
        moderation: The moderation answers.
    """

    def __init__(self, s3: Any, moderation: Declared | None = None) -> None:  # noqa: ANN401  boto3 clients have no common type
        super().__init__(self._answered)
        self._s3 = s3
        self._moderation = moderation or Declared()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many requests were answered, by operation, and how many by a `declared` answer."""
        with self._lock:
            return dict(self._counts)

    def _answered(self, operation: str, request: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401  any JSON
        try:
            return 200, self.answer(operation, request)
        except _RefusedError as error:
            return 400, {"__type": error.code, "message": str(error)}

    def answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        if operation not in _DEFAULT_CONFIDENCE:
            raise _RefusedError("UnknownOperationException", f"no {operation} in the local run")
        body = self._image(request.get("Image") or {})
        least = request.get("MinConfidence", _DEFAULT_CONFIDENCE[operation])
        try:
            if operation == "DetectLabels":
                answer = _labels(look(body), request, least)
            else:
                look(body)  # a picture that cannot be seen cannot be moderated either
                answer = self._moderated(body, least)
        except NotReadableError as error:
            raise _RefusedError("InvalidImageFormatException", str(error)) from error
        with self._lock:
            self._counts[operation] += 1
        return answer

    def _image(self, image: Mapping[str, Any]) -> bytes:
        """Return the bytes of a request's image, within the service's limits."""
        match image:
            case {"Bytes": str(text)}:
                body = _unpacked(text)
            case {"S3Object": {"Bucket": str(bucket), "Name": str(key), **rest}}:
                version = rest.get("Version")
                body = self._object(bucket, key, version if isinstance(version, str) else None)
            case _:
                raise _RefusedError("InvalidParameterException", "Request has no Image")
        try:
            size = size_of(body)
        except NotReadableError as error:
            message = "Request has invalid image format"
            raise _RefusedError("InvalidImageFormatException", message) from error
        if max(size) > MAX_SIDE:
            raise _RefusedError("ImageTooLargeException", f"{size[0]} x {size[1]} pixels")
        if min(size) < MIN_SIDE:
            raise _RefusedError("InvalidParameterException", f"{size[0]} x {size[1]} pixels")
        return body

    def _object(self, bucket: str, key: str, version: str | None) -> bytes:
        wanted = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
        try:
            found = self._s3.get_object(**wanted)
        except ClientError as error:
            message = (
                "Unable to get object metadata from S3. "
                "Check object key, region and/or access permissions."
            )
            raise _RefusedError("InvalidS3ObjectException", message) from error
        if found["ContentLength"] > MAX_OBJECT_BYTES:
            raise _RefusedError("ImageTooLargeException", "Image size is too large")
        body: bytes = found["Body"].read()
        return body

    def _moderated(self, body: bytes, least: float) -> dict[str, Any]:
        labels = self._moderation.labels(body)
        if labels:
            with self._lock:
                self._counts["declared"] += 1
        return {
            "ModerationLabels": [
                {
                    "Name": label.name,
                    "ParentName": label.parent,
                    "Confidence": label.confidence,
                    "TaxonomyLevel": label.level,
                }
                for label in labels
                if label.confidence >= least
            ],
            "ModerationModelVersion": DECLARED_VERSION,
            "ContentTypes": [],
        }


def _unpacked(text: str) -> bytes:
    try:
        body = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _RefusedError("SerializationException", "Bytes are not base64") from error
    if not 0 < len(body) <= MAX_BYTES:
        message = f"Member must have length between 1 and {MAX_BYTES}"
        raise _RefusedError("ValidationException", message)
    return body


def _labels(seen: Look, request: Mapping[str, Any], least: float) -> dict[str, Any]:
    features = request.get("Features", ["GENERAL_LABELS"])
    answer: dict[str, Any] = {"LabelModelVersion": MODEL_VERSION}
    if "GENERAL_LABELS" in features:
        found = [(name, share) for name, share in _named(seen) if share >= least]
        answer["Labels"] = [
            {
                "Name": name,
                "Confidence": share,
                "Instances": [],
                "Parents": [],
                "Aliases": [],
                "Categories": [{"Name": "Measured pixels"}],
            }
            for name, share in found[: request.get("MaxLabels", 1000)]
        ]
    if "IMAGE_PROPERTIES" in features:
        answer["ImageProperties"] = {
            "Quality": {
                "Brightness": seen.brightness,
                "Sharpness": seen.sharpness,
                "Contrast": seen.contrast,
            },
            "DominantColors": [
                {
                    "Red": colour.red,
                    "Green": colour.green,
                    "Blue": colour.blue,
                    "HexCode": f"#{colour.red:02x}{colour.green:02x}{colour.blue:02x}",
                    "CSSColor": colour.css,
                    "SimplifiedColor": colour.name,
                    "PixelPercent": colour.percent,
                }
                for colour in seen.colours
            ],
        }
    return answer


def _named(seen: Look) -> list[tuple[str, float]]:
    """Name what was measured, the surest first; a confidence is a measured share in percent."""
    shape = "square"
    if seen.width != seen.height:
        shape = "landscape" if seen.width > seen.height else "portrait"
    found = [
        (f"Orientation: {shape}", 100.0),
        (f"Size: {seen.width} x {seen.height} pixels", 100.0),
        ("Brightness: bright", seen.brightness),
        ("Brightness: dark", 100 - seen.brightness),
        ("Sharpness: sharp", seen.sharpness),
        ("Sharpness: blurred or plain", 100 - seen.sharpness),
        *((f"Dominant colour: {name}", share) for name, share in seen.shares.items()),
    ]
    return sorted(found, key=lambda label: -label[1])
