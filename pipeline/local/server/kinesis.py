"""Kinesis for the local run: its own shards, while moto keeps the streams' descriptions.

A WSGI middleware before moto that answers each operation that has to do with shards or records.
Names, status, retention, mode, encryption, tags and consumers stay moto's; so a stream's shards are
made when the first of these operations names it, from what moto says of it.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from pipeline.local.server.kinesis_protocol import (
    KinesisError,
    Parameters,
    Reply,
    check_entries,
    hash_key_of,
    hash_key_range,
    listing_token,
    read_iterator,
    read_listing_token,
    shard_iterator,
    shard_reply,
    starting_sequence_number,
)
from pipeline.local.server.kinesis_shards import ReshardError, Shard, StreamShards
from pipeline.local.server.wsgi import (
    Application,
    Environ,
    StartResponse,
    operation,
    read_body,
    signer,
)

_HOUR_MS: Final = 3_600_000
_MAX_RECORDS: Final = 10_000
_MAX_LISTED: Final = 1_000
_MAX_DESCRIBED: Final = 100


class Stream(Protocol):
    """What moto knows of a stream."""

    stream_name: str
    arn: str
    account_id: str
    shards: Mapping[str, Any]
    shard_count: int | None
    creation_datetime: datetime
    retention_period_hours: int
    stream_mode: dict[str, str]
    encryption_type: str

    def to_json(self) -> dict[str, Any]:
        """Describe the stream as DescribeStream does."""


FindStream = Callable[[str, str | None, str | None], Stream | None]
"""Finds a stream by region, ARN and name, of which one may be missing."""


class Kinesis:
    """Answers Kinesis's operations on shards and records, and passes the rest on.

    Args:
        application: moto.
        find_stream: Looks a stream up in moto.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, application: Application, find_stream: FindStream, clock: Callable[[], float]
    ) -> None:
        self._application = application
        self._find_stream = find_stream
        self._clock = clock
        self._lock = threading.Lock()
        self._shards: WeakKeyDictionary[Stream, StreamShards] = WeakKeyDictionary()
        self._operations: dict[str, Callable[[str, Parameters], Reply]] = {
            "DescribeStream": self._describe_stream,
            "GetRecords": self._get_records,
            "GetShardIterator": self._get_shard_iterator,
            "ListShards": self._list_shards,
            "MergeShards": self._merge_shards,
            "PutRecord": self._put_record,
            "PutRecords": self._put_records,
            "SplitShard": self._split_shard,
            "UpdateShardCount": self._update_shard_count,
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        signed = signer(environ)
        answer = self._operations.get(operation(environ)) if _is_kinesis(environ) else None
        if answer is None or signed is None:
            return self._application(environ, start_response)
        try:
            parameters = json.loads(read_body(environ) or b"{}")
            with self._lock:
                reply, status = answer(signed.region, parameters), HTTPStatus.OK
        except KinesisError as error:
            reply = {"__type": error.code, "message": str(error)}
            status = HTTPStatus.BAD_REQUEST
        except ReshardError as error:
            reply = {"__type": "InvalidArgumentException", "message": str(error)}
            status = HTTPStatus.BAD_REQUEST
        body = json.dumps(reply, separators=(",", ":")).encode()
        start_response(
            f"{status.value} {status.phrase}",
            [
                ("Content-Type", "application/x-amz-json-1.1"),
                ("Content-Length", str(len(body))),
                ("x-amzn-RequestId", str(uuid.uuid4())),
            ],
        )
        return [body]

    def _put_record(self, region: str, parameters: Parameters) -> Reply:
        stream, shards = self._stream(region, parameters)
        return {**self._put(shards, parameters), **_encryption(stream)}

    def _put_records(self, region: str, parameters: Parameters) -> Reply:
        stream, shards = self._stream(region, parameters)
        entries = parameters["Records"]
        check_entries(entries)  # one bad entry refuses the request before a record is stored
        records = [self._put(shards, entry) for entry in entries]
        return {"FailedRecordCount": 0, "Records": records, **_encryption(stream)}

    def _put(self, shards: StreamShards, entry: Parameters) -> Reply:
        shard, number = shards.put(
            entry["PartitionKey"], entry["Data"], self._now_ms(), hash_key_of(entry)
        )
        return {"SequenceNumber": str(number), "ShardId": shard.shard_id}

    def _get_shard_iterator(self, region: str, parameters: Parameters) -> Reply:
        stream, shards = self._stream(region, parameters)
        shard = _shard(stream, shards, parameters["ShardId"])
        position = self._position(stream, shard, parameters)
        return {
            "ShardIterator": shard_iterator(stream.stream_name, shard, position, self._now_ms())
        }

    def _position(self, stream: Stream, shard: Shard, parameters: Parameters) -> int:
        match parameters["ShardIteratorType"]:
            case "TRIM_HORIZON":
                return 0
            case "LATEST":
                return shard.latest
            case "AT_TIMESTAMP":
                return shard.at_time(self._past_ms(parameters.get("Timestamp")))
            case "AT_SEQUENCE_NUMBER":
                return starting_sequence_number(stream.stream_name, shard, parameters)
            case "AFTER_SEQUENCE_NUMBER":
                return starting_sequence_number(stream.stream_name, shard, parameters) + 1
            case unknown:
                raise KinesisError("ValidationException", f"no ShardIteratorType is {unknown!r}")

    def _past_ms(self, timestamp: Any) -> int:  # noqa: ANN401  a value of the request
        if timestamp is None:
            raise KinesisError(
                "InvalidArgumentException", "Must specify timestampInMillis parameter."
            )
        time_ms, now_ms = round(float(timestamp) * 1000), self._now_ms()
        if time_ms > now_ms:
            raise KinesisError(
                "InvalidArgumentException",
                "The timestampInMillis parameter cannot be greater than the "
                f"currentTimestampInMillis. timestampInMillis: {time_ms}, "
                f"currentTimestampInMillis: {now_ms}",
            )
        return time_ms

    def _get_records(self, region: str, parameters: Parameters) -> Reply:
        limit = int(parameters.get("Limit") or _MAX_RECORDS)
        if not 1 <= limit <= _MAX_RECORDS:
            raise KinesisError("InvalidArgumentException", f"Limit is 1 to {_MAX_RECORDS}")
        name, shard_id, position = read_iterator(parameters["ShardIterator"], self._now_ms())
        stream, shards = self._stream(region, {"StreamName": name})
        shard = _shard(stream, shards, shard_id)
        read = shard.read(position, limit, self._now_ms())
        encryption = _encryption(stream)
        reply: Reply = {
            "Records": [
                {
                    "SequenceNumber": str(record.sequence_number),
                    "ApproximateArrivalTimestamp": record.arrived_ms / 1000,
                    "Data": record.data,
                    "PartitionKey": record.partition_key,
                    **encryption,
                }
                for record in read.records
            ],
            "MillisBehindLatest": read.behind_ms,
        }
        if read.position is not None:
            reply["NextShardIterator"] = shard_iterator(
                stream.stream_name, shard, read.position, self._now_ms()
            )
        else:
            reply["ChildShards"] = [
                {
                    "ShardId": child.shard_id,
                    "ParentShards": list(child.parents),
                    "HashKeyRange": hash_key_range(child),
                }
                for child in shard.children
            ]
        return reply

    def _list_shards(self, region: str, parameters: Parameters) -> Reply:
        token = parameters.get("NextToken")
        if token and ("StreamName" in parameters or "StreamARN" in parameters):
            raise KinesisError(
                "InvalidArgumentException",
                "NextToken and StreamName cannot be provided together.",
            )
        listing = read_listing_token(token, self._now_ms()) if token else parameters
        stream, shards = self._stream(region, listing)
        after = listing.get("ExclusiveStartShardId") or ""
        shard_filter = listing.get("ShardFilter")
        found = [
            shard
            for shard in shards
            if shard.shard_id > after
            and (not shard_filter or self._passes(shard, shards, shard_filter))
        ]
        listed = found[: int(parameters.get("MaxResults") or _MAX_LISTED)]
        reply: Reply = {"Shards": [shard_reply(shard) for shard in listed]}
        if len(listed) < len(found):
            reply["NextToken"] = listing_token(
                {
                    "StreamName": stream.stream_name,
                    "ExclusiveStartShardId": listed[-1].shard_id,
                    "ShardFilter": shard_filter,
                },
                self._now_ms(),
            )
        return reply

    def _passes(self, shard: Shard, shards: StreamShards, shard_filter: Parameters) -> bool:
        """Judge a shard by a ShardFilter; what was open at the horizon has no parent any more.

        Source: Kinesis API reference, ShardFilter.
        """
        created_ms, closed_ms = shard.created_s * 1000, shard.closed_ms
        match shard_filter["Type"]:
            case "AFTER_SHARD_ID":
                return shard.shard_id > str(shard_filter["ShardId"])
            case "AT_TRIM_HORIZON":
                return not any(map(shards.find, shard.parents))
            case "FROM_TRIM_HORIZON":
                return True
            case "AT_LATEST":
                return shard.is_open
            case "AT_TIMESTAMP":
                time_ms = self._past_ms(shard_filter.get("Timestamp"))
                return created_ms <= time_ms and (closed_ms is None or closed_ms >= time_ms)
            case "FROM_TIMESTAMP":
                time_ms = self._past_ms(shard_filter.get("Timestamp"))
                return closed_ms is None or closed_ms >= time_ms
            case unknown:
                raise KinesisError("ValidationException", f"no ShardFilter has type {unknown!r}")

    def _describe_stream(self, region: str, parameters: Parameters) -> Reply:
        stream, shards = self._stream(region, parameters)
        after = parameters.get("ExclusiveStartShardId") or ""
        found = [shard for shard in shards if shard.shard_id > after]
        listed = found[: int(parameters.get("Limit") or _MAX_DESCRIBED)]
        description = {
            **stream.to_json()["StreamDescription"],
            "StreamModeDetails": stream.stream_mode,
            "StreamCreationTimestamp": _created_ms(stream) / 1000,
            "Shards": [shard_reply(shard) for shard in listed],
            "HasMoreShards": len(listed) < len(found),
        }
        return {"StreamDescription": description}

    def _split_shard(self, region: str, parameters: Parameters) -> Reply:
        stream, shards = self._provisioned_stream(region, parameters)
        shard = _shard(stream, shards, parameters["ShardToSplit"])
        shards.split(shard, int(parameters["NewStartingHashKey"]), self._now_ms())
        stream.shard_count = len(shards.open)
        return {}

    def _merge_shards(self, region: str, parameters: Parameters) -> Reply:
        stream, shards = self._provisioned_stream(region, parameters)
        shards.merge(
            _shard(stream, shards, parameters["ShardToMerge"]),
            _shard(stream, shards, parameters["AdjacentShardToMerge"]),
            self._now_ms(),
        )
        stream.shard_count = len(shards.open)
        return {}

    def _update_shard_count(self, region: str, parameters: Parameters) -> Reply:
        stream, shards = self._provisioned_stream(region, parameters)
        current, target = len(shards.open), int(parameters["TargetShardCount"])
        counts = f"Current open shard count: {current} Target shard count: {target}"
        if target > 2 * current:
            what = "up over double"
        elif 2 * target < current or target < 1:
            what = "down below half"
        else:
            shards.resize(target, self._now_ms())
            stream.shard_count = len(shards.open)
            return {
                "StreamName": stream.stream_name,
                "StreamARN": stream.arn,
                "CurrentShardCount": current,
                "TargetShardCount": target,
            }
        raise KinesisError(
            "InvalidArgumentException",
            f"UpdateShardCount cannot scale {what} your current open shard count. {counts}",
        )

    def _stream(self, region: str, parameters: Parameters) -> tuple[Stream, StreamShards]:
        """Find a stream and its shards, without what is older than the stream keeps."""
        arn, name = parameters.get("StreamARN"), parameters.get("StreamName")
        stream = self._find_stream(region, arn, name)
        if stream is None:
            raise KinesisError("ResourceNotFoundException", f"Stream {name or arn} not found.")
        shards = self._shards.get(stream)
        if shards is None:
            shards = StreamShards(len(stream.shards), _created_ms(stream))
            self._shards[stream] = shards
        shards.trim(self._now_ms() - stream.retention_period_hours * _HOUR_MS)
        return stream, shards

    def _provisioned_stream(
        self, region: str, parameters: Parameters
    ) -> tuple[Stream, StreamShards]:
        stream, shards = self._stream(region, parameters)
        if stream.stream_mode.get("StreamMode") == "ON_DEMAND":
            raise KinesisError(
                "ValidationException",
                f"Request is invalid. Stream {stream.stream_name} under account "
                f"{stream.account_id} is in On-Demand mode.",
            )
        return stream, shards

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _is_kinesis(environ: Environ) -> bool:
    return str(environ.get("HTTP_X_AMZ_TARGET", "")).startswith("Kinesis_20131202.")


def _shard(stream: Stream, shards: StreamShards, shard_id: str) -> Shard:
    shard = shards.find(shard_id)
    if shard is None:
        raise KinesisError(
            "ResourceNotFoundException",
            f"Shard {shard_id} in stream {stream.stream_name} under account {stream.account_id} "
            "does not exist",
        )
    return shard


def _created_ms(stream: Stream) -> int:
    return int(stream.creation_datetime.timestamp() * 1000)


def _encryption(stream: Stream) -> Reply:
    return {"EncryptionType": "KMS"} if stream.encryption_type == "KMS" else {}
