import gzip
import tracemalloc
import zlib
from hashlib import md5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cli.producers.kpl import aggregate
from pipeline.errors import InvalidRecordError
from pipeline.records import KinesisRecord, UserRecord, unpack, user_records

LIMIT = 262_144
MAGIC = bytes.fromhex("f3899ac2")

# AggregatedRecord, byte by byte: two keys, an explicit hash key, two records, the second tagged.
BODY = (
    b"\x0a\x04ann1"
    b"\x0a\x04bob2"
    b"\x12\x017"
    b"\x1a\x08\x08\x01\x1a\x04data"
    b"\x1a\x0c\x08\x00\x10\x00\x1a\x01x\x22\x03\x0a\x01t"
)

user_record_lists = st.lists(
    st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.binary()),
    min_size=1,
    max_size=300,
)


def kinesis_record(data: bytes) -> KinesisRecord:
    return KinesisRecord("shardId-000000000003", 49, "outer", 1_700_000_000.0, data)


def sealed(body: bytes) -> KinesisRecord:
    return kinesis_record(MAGIC + body + md5(body, usedforsecurity=False).digest())


def test_a_plain_record_is_one_user_record_under_its_own_id() -> None:
    record = kinesis_record(b'{"a": 1}')

    found = user_records(record)

    assert found == [UserRecord("shardId-000000000003:49", "outer", b'{"a": 1}')]


def test_an_aggregate_is_split_into_numbered_user_records_with_their_own_keys() -> None:
    record = sealed(BODY)

    found = user_records(record)

    assert found == [
        UserRecord("shardId-000000000003:49:0", "bob2", b"data"),
        UserRecord("shardId-000000000003:49:1", "ann1", b"x"),
    ]


def test_an_aggregate_of_one_keeps_the_third_part_of_its_id() -> None:
    record = kinesis_record(aggregate([("k", b"only")]))

    found = user_records(record)

    assert found == [UserRecord("shardId-000000000003:49:0", "k", b"only")]


def test_the_key_table_may_follow_the_records() -> None:
    record = sealed(b"\x1a\x05\x08\x00\x1a\x01x\x0a\x01k")

    found = user_records(record)

    assert found == [UserRecord("shardId-000000000003:49:0", "k", b"x")]


def test_fixed_width_fields_of_a_record_are_skipped() -> None:
    record = sealed(b"\x0a\x01k\x1a\x13\x29" + b"8" * 8 + b"\x35" + b"4444" + b"\x08\x00\x1a\x01x")

    found = user_records(record)

    assert found == [UserRecord("shardId-000000000003:49:0", "k", b"x")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it has no user records"),
        (b"\x0a\x01k", "it has no user records"),
        (b"\x1a", "a number is truncated"),
        (b"\x1a\x80", "a number is truncated"),
        (b"\x1a" + b"\xff" * 10, "a number is longer than 64 bits"),
        (b"\x1a\x05\x08", "a field is truncated"),
        (b"\x0a\x01k\x1a\x05\x08\x01\x1a\x01x", "a partition key index lies outside the table"),
        (b"\x1a\x03\x1a\x01x", "a user record lacks its partition key index or its data"),
        (b"\x0a\x01k\x1a\x02\x08\x00", "a user record lacks its partition key index or its data"),
        (b"\x0a\x01\xff", "a partition key is not UTF-8"),
        (b"\x22\x00", "unknown field 4"),
        (b"\x1b", "protobuf wire type 3"),
        (b"\x18\x01", "a number stands where bytes belong"),
        (b"\x1a\x03\x0a\x01x", "bytes stand where a number belongs"),
    ],
)
def test_a_damaged_aggregate_is_refused_as_a_whole(body: bytes, reason: str) -> None:
    record = sealed(body)

    with pytest.raises(InvalidRecordError) as caught:
        user_records(record)

    assert caught.value.reason == f"damaged KPL aggregate: {reason}"
    assert caught.value.path == "$"


@pytest.mark.parametrize("size", [0, 1, 15, 16])
def test_an_aggregate_too_short_for_its_checksum_is_refused(size: int) -> None:
    record = kinesis_record(MAGIC + b"\0" * size)

    with pytest.raises(InvalidRecordError, match="its MD5 does not match"):
        user_records(record)


@given(user_record_lists)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_every_user_record_put_comes_out_once_and_in_order(
    put: list[tuple[str, bytes]],
) -> None:
    record = kinesis_record(aggregate(put))

    found = user_records(record)

    assert [(item.partition_key, item.data) for item in found] == put
    assert len({item.record_id for item in found}) == len(put)


@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=200)
def test_a_flipped_bit_anywhere_after_the_magic_is_noticed(data: st.DataObject) -> None:
    whole = bytearray(aggregate([("ann", b"one"), ("bob", b"two")]))
    bit = data.draw(st.integers(4 * 8, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8

    with pytest.raises(InvalidRecordError, match="MD5"):
        user_records(kinesis_record(bytes(whole)))


@given(st.binary(max_size=60))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_any_sealed_bytes_are_split_or_refused(body: bytes) -> None:
    try:
        found = user_records(sealed(body))
    except InvalidRecordError as error:
        found = []
        assert error.reason.startswith("damaged KPL aggregate: ")  # noqa: PT017  both ends are right

    assert all(item.record_id.startswith("shardId-000000000003:49:") for item in found)


@pytest.mark.parametrize("data", [b"", b"\x1f", b'{"a": 1}', b"PK\x03\x04", b"\xff\xfe{\0"])
def test_what_is_not_gzip_is_returned_unchanged(data: bytes) -> None:
    unpacked = unpack(data)

    assert unpacked == data


def test_a_byte_order_mark_is_dropped_inside_and_outside_of_gzip() -> None:
    marked = b"\xef\xbb\xbf{}"

    unpacked = [unpack(marked), unpack(gzip.compress(marked))]

    assert unpacked == [b"{}", b"{}"]


def test_the_members_of_a_gzip_payload_are_joined() -> None:
    data = gzip.compress(b'{"a":') + gzip.compress(b"") + gzip.compress(b" 1}")

    unpacked = unpack(data)

    assert unpacked == b'{"a": 1}'


def test_a_payload_of_exactly_the_limit_is_unpacked() -> None:
    data = gzip.compress(b"x" * LIMIT)

    unpacked = unpack(data)

    assert len(unpacked) == 262_144


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"x" * (LIMIT + 1)),
        gzip.compress(b"x" * LIMIT) + gzip.compress(b"x"),
        gzip.compress(b"x" * LIMIT)[:-9] + b"garbage",
    ],
)
def test_a_payload_beyond_the_limit_or_damaged_at_it_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRecordError, match=r"more than 262144 bytes|damaged gzip payload"):
        unpack(data)


def test_a_bomb_never_takes_much_more_memory_than_the_limit() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)

    tracemalloc.start()
    with pytest.raises(InvalidRecordError, match="more than 262144 bytes once decompressed"):
        unpack(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * LIMIT


def test_thousands_of_empty_members_are_refused_without_working_through_them() -> None:
    data = gzip.compress(b"") * 10_000

    with pytest.raises(InvalidRecordError, match="more than 16 gzip members"):
        unpack(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"{}", mtime=0)[:-1], "it is truncated"),
        (gzip.compress(b"{}", mtime=0)[:3], "it is truncated"),
        (b"\x1f\x8b", "it is truncated"),
        (gzip.compress(b"{}", mtime=0) + b"garbage", "incorrect header check"),
        (gzip.compress(b"{}", mtime=0) + b"\0" * 8, "incorrect header check"),
        (gzip.compress(b"{}", mtime=0)[:-8] + b"\0" * 8, "incorrect data check"),
        (b"\x1f\x8b\x09" + zlib.compress(b"{}"), "unknown compression method"),
    ],
)
def test_damaged_gzip_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidRecordError, match="damaged gzip payload: ") as caught:
        unpack(data)

    assert reason in caught.value.reason


@given(st.binary(max_size=200))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_whatever_opens_like_gzip_is_unpacked_or_refused(tail: bytes) -> None:
    try:
        unpacked = unpack(b"\x1f\x8b\x08\x00" + tail)
    except InvalidRecordError:
        unpacked = b""

    assert len(unpacked) <= LIMIT
