"""What follows when an image is refused, the same in both image flows."""

from collections.abc import Sequence

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.image_rules import HostileImages
from pipeline.detection.images import hostile_images, hostile_since, hostile_until
from pipeline.flows.uploads.ports import ImageStore
from pipeline.images import HOSTILE, FailedImage


def facts_about(store: ImageStore, rule: HostileImages, failed: FailedImage) -> Sequence[Anomaly]:
    """Return what a refused image, whose row is written, makes known about its user."""
    if failed.failure not in HOSTILE or not failed.user_id:
        return ()
    since = hostile_since(rule, failed.uploaded_at)
    until = hostile_until(rule, failed.uploaded_at)
    return hostile_images(rule, store.failures(failed.user_id, since, until), failed)
