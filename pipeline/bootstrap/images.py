"""The ports that both consumers of images have."""

from functools import cache

from pipeline.adapters.content_bucket import ContentBucket
from pipeline.adapters.fact_table import DynamoFactTable
from pipeline.adapters.image_table import DynamoImageStore
from pipeline.bootstrap.shared import DAY_S, dynamodb, s3
from pipeline.flows.uploads.ports import ImageObjects, ImageStore
from pipeline.ports import FactSink
from pipeline.settings import S3UploadsSettings, SqsThumbnailsSettings

ImageSettings = S3UploadsSettings | SqsThumbnailsSettings


@cache
def image_objects(settings: ImageSettings) -> ImageObjects:
    """Return the objects of the content bucket."""
    return ContentBucket(s3(), settings.content_bucket)


@cache
def image_store(settings: ImageSettings) -> ImageStore:
    """Return the rows of the images."""
    return DynamoImageStore(dynamodb(), settings.images_table, settings.event_ttl_days * DAY_S)


@cache
def image_facts(settings: ImageSettings) -> FactSink:
    """Return where facts about images are written."""
    return DynamoFactTable(dynamodb(), settings.anomalies_table, settings.event_ttl_days * DAY_S)
