"""The ports of `consumers.s3_uploads`."""

import os
from functools import cache

from pipeline.adapters import aws
from pipeline.adapters.emf import EmfMetrics
from pipeline.adapters.rekognition import RekognitionAnalyser
from pipeline.adapters.thumbnail_queue import SqsThumbnailJobs
from pipeline.bootstrap.images import image_facts, image_objects, image_store
from pipeline.bootstrap.shared import per_rules, tracing
from pipeline.flows.uploads.ports import Analyser, ThumbnailJobs
from pipeline.settings import S3UploadsSettings

__all__ = [
    "analyser",
    "image_facts",
    "image_objects",
    "image_store",
    "per_rules",
    "thumbnail_jobs",
    "tracing",
    "upload_metrics",
    "upload_settings",
]


@cache
def upload_settings() -> S3UploadsSettings:
    """Return the settings of the upload flow."""
    return S3UploadsSettings.load(os.environ)


@cache
def analyser() -> Analyser:
    """Return what looks at uploads."""
    return RekognitionAnalyser(aws.client("rekognition"))


@cache
def thumbnail_jobs() -> ThumbnailJobs:
    """Return the queue of the thumbnails."""
    client = aws.client("sqs")
    return SqsThumbnailJobs(client, upload_settings().thumbnail_queue_url)


@cache
def upload_metrics() -> EmfMetrics:
    """Return the metrics of the upload flow."""
    return EmfMetrics(upload_settings().environment)
