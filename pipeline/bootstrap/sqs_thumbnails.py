"""The ports of `consumers.sqs_thumbnails`."""

import os
from functools import cache

from pipeline.adapters.emf import EmfMetrics
from pipeline.bootstrap.images import image_facts, image_objects, image_store
from pipeline.bootstrap.shared import per_rules, tracing
from pipeline.settings import SqsThumbnailsSettings

__all__ = [
    "image_facts",
    "image_objects",
    "image_store",
    "per_rules",
    "thumbnail_metrics",
    "thumbnail_settings",
    "tracing",
]


@cache
def thumbnail_settings() -> SqsThumbnailsSettings:
    """Return the settings of the thumbnail flow."""
    return SqsThumbnailsSettings.load(os.environ)


@cache
def thumbnail_metrics() -> EmfMetrics:
    """Return the metrics of the thumbnail flow."""
    return EmfMetrics(thumbnail_settings().environment)
