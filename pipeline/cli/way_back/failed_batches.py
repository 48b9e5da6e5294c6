"""Batches that Lambda gave up and left in FailuresBucket with their records.

Source: AWS Lambda Developer Guide, "Retain discarded batch records for a Kinesis Data Streams event
source"; the keys begin with `aws/lambda/` and the mapping's id.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from pipeline.cli.stack import Stack
from pipeline.cli.way_back.function_calls import Functions
from pipeline.cli.way_back.records import Lost

PREFIX: Final = "aws/lambda/"

_BATCH_INFO: Final = ("KinesisBatchInfo", "DDBStreamBatchInfo")


class FailedBatches:
    """The on-failure objects of a stack's stream mappings.

    A batch goes back to the function that gave it up, with the very records that the stream
    delivered: shard, sequence number and arrival are the original ones, and so is every id made
    of them.
    """

    def __init__(self, stack: Stack, functions: Functions) -> None:
        self._s3 = stack.client("s3")
        self._bucket = stack.output("FailuresBucketName")
        self._functions = functions

    def find(self) -> Iterator[Lost]:
        """Find the batches, those of a shard in its order."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=PREFIX
        )
        found = [
            self._lost(entry["Key"], entry["LastModified"])
            for page in pages
            for entry in page.get("Contents", [])
        ]
        yield from (lost for _, lost in sorted(found, key=lambda pair: pair[0]))

    def put_back(self, lost: Lost) -> None:
        """Hand the batch to its function out of turn, then remove the object."""
        document = self._read(lost.key)
        self._functions.call_with_records(lost.source, document["payload"]["Records"])
        self._s3.delete_object(Bucket=self._bucket, Key=lost.key)

    def leave(self, lost: Lost) -> None:
        """Leave the object as it is."""

    def _lost(self, key: str, stored_at: datetime) -> tuple[tuple[str, int, str], Lost]:
        try:
            document = self._read(key)
            context, info = document["requestContext"], _batch_info(document)
            records = document["payload"]["Records"]
            function = self._functions.logical_id(context["functionArn"])
            lost = Lost(
                place="failures",
                source=function or context["functionArn"],
                reason=context["condition"],
                key=key,
                records=len(records),
                at=datetime.fromisoformat(document["timestamp"]),
                obstacle="" if function else "it was given up by no function of this stack",
            )
            order = (f"{info['streamArn']} {info['shardId']}", int(info["startSequenceNumber"]))
        except (ValueError, KeyError, TypeError) as error:
            damage = f"no batch that Lambda gave up: {error!r}"
            return ("~", 0, key), Lost("failures", "", "damaged", key, 0, stored_at, damage)
        return (*order, key), lost

    def _read(self, key: str) -> dict[str, Any]:
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        document: dict[str, Any] = json.loads(body)
        return document


def _batch_info(document: Mapping[str, Any]) -> Mapping[str, Any]:
    info: Mapping[str, Any] = next(document[name] for name in _BATCH_INFO if name in document)
    return info
