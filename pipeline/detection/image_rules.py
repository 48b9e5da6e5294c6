"""The rules about uploaded images. All are of kind `event`."""

from typing import Annotated, Literal

from msgspec import Meta

from pipeline.detection.anomaly import Severity
from pipeline.detection.rule import Positive, Rule, Text
from pipeline.detection.user_rules import Words

Percent = Annotated[float, Meta(ge=0, le=100)]


class ImageRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule about the images of one user, who is the subject."""

    kind: Literal["event"]
    component: Text
    severity: Severity


class UnsafeContent(ImageRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A moderation label with more confidence than `above`.

    Labels whose name, or whose parent's name, is among `allowed` are what the product permits.
    """

    detector: Literal["score"]
    above: Percent
    allowed: Words

    def __post_init__(self) -> None:
        """Refuse a word that could never be met."""
        if any(word != word.lower() for word in self.allowed):
            raise ValueError("`allowed` must be in lower case")


class HostileImages(ImageRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As many images that cannot be read within any `span_s` seconds.

    The incident is over `quiet_s` after the last of them.
    """

    detector: Literal["velocity"]
    span_s: Positive
    count: Annotated[int, Meta(ge=2, le=1000)]
    quiet_s: Positive
