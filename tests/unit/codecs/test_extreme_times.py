"""Times of any 64 bits: written so that they are read as they were, or refused alone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sabot.codecs import Codec, JsonCodec, MsgpackCodec, create_codec

pytestmark = pytest.mark.slow

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
YEARS_0_TO_9999 = range(-62_167_219_200, 253_402_300_800)
YEARS_1_TO_9999 = range(-62_135_596_800, 253_402_300_800)
COUNTS = st.integers(-(2**63), 2**63 - 1) | st.builds(
    lambda seconds, per, off: max(min(seconds * per + off, 2**63 - 1), -(2**63)),
    st.sampled_from([YEARS_0_TO_9999.start, YEARS_1_TO_9999.start, YEARS_1_TO_9999.stop, 0]),
    st.sampled_from(list(PER_SECOND.values())),
    st.integers(-3, 3),
)
# Arrow reads no text of the one second of which nanoseconds of 64 bits hold the end alone.
FIRST_READ_NS = -9_223_372_036 * 10**9
LISTS = st.lists(st.none() | COUNTS, min_size=1, max_size=5)
EXTREMES = [-(2**63), 0, None, 2**63 - 1]


def columns_of(kind: pa.DataType, counts: list[int | None]) -> pa.RecordBatch:
    """Return the times beside the numbers of their rows."""
    times = pa.array(counts, pa.int64()).view(kind)
    return pa.RecordBatch.from_arrays([pa.array(range(len(counts)), pa.int64()), times], ["n", "t"])


def check(
    codec: Codec, columns: pa.RecordBatch, is_held: Callable[[int], bool]
) -> list[bytes | None]:
    """Check that what cannot be held fails alone and by name; return the others' bytes."""
    counts = columns.column("t").view(pa.int64()).to_pylist()
    encoded = codec.encode(columns)
    beyond = [row for row, count in enumerate(counts) if count is not None and not is_held(count)]
    assert [failure.index for failure in encoded.failures] == beyond
    assert all("'t'" in str(failure.error) for failure in encoded.failures)
    assert len(encoded.values) + len(beyond) == len(counts)
    return list(encoded.values)


def check_round_trip(
    codec: Codec, columns: pa.RecordBatch, is_held: Callable[[int], bool], reader: Codec
) -> None:
    decoded = reader.decode(check(codec, columns, is_held))
    assert not decoded.failures
    counts = columns.column("t").view(pa.int64()).to_pylist()
    held = [row for row, count in enumerate(counts) if count is None or is_held(count)]
    assert decoded.columns.equals(columns.take(pa.array(held, pa.int64())))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(PER_SECOND)), st.sampled_from([None, "UTC"]), LISTS)
@example("s", "UTC", EXTREMES)
@example("us", None, EXTREMES)
def test_json_and_messagepack_write_a_timestamp_or_refuse_it(
    unit: str, zone: str | None, counts: list[int | None]
) -> None:
    if unit == "ns":
        counts = [max(count, FIRST_READ_NS) if count is not None else None for count in counts]
    columns = columns_of(pa.timestamp(unit, zone), counts)

    def has_text(count: int) -> bool:
        return count // PER_SECOND[unit] in YEARS_0_TO_9999

    check_round_trip(JsonCodec(), columns, has_text, JsonCodec(schema=columns.schema))
    exact = has_text if zone is None else lambda _count: True
    check_round_trip(MsgpackCodec(), columns, exact, MsgpackCodec(schema=columns.schema))


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(list(PER_SECOND)), LISTS)
@example("ms", EXTREMES)
@example("ns", [FIRST_READ_NS - 1, FIRST_READ_NS])
def test_json_schema_writes_a_timestamp_or_refuses_it(unit: str, counts: list[int | None]) -> None:
    schema = {"properties": {"n": {"type": "integer"}, "t": {"type": ["string", "null"]}}}
    columns = columns_of(pa.timestamp(unit, "UTC"), counts)
    values = check(
        create_codec("json_schema", {"schema": schema}),
        columns,
        lambda count: count // PER_SECOND[unit] in YEARS_0_TO_9999,
    )
    written = [counts[json.loads(value or b"")["n"]] for value in values]
    unread = [
        index
        for index, count in enumerate(written)
        if unit == "ns" and count is not None and count < FIRST_READ_NS
    ]
    again = JsonCodec(schema=columns.schema).decode(values)
    assert [failure.index for failure in again.failures] == unread


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(PER_SECOND)), LISTS)
@example("s", EXTREMES)
@example("ns", EXTREMES)
def test_protobuf_writes_a_timestamp_or_refuses_it(unit: str, counts: list[int | None]) -> None:
    schema = """
        syntax = "proto3"; import "google/protobuf/timestamp.proto";
        message Row { int64 n = 1; google.protobuf.Timestamp t = 2; }
    """
    columns = columns_of(pa.timestamp(unit, "UTC"), counts)
    codec = create_codec("protobuf", {"schema": schema})
    read = pa.schema(codec.schema).field("t").type.unit

    def is_held(count: int) -> bool:
        # Columns of protobuf's timestamps have one unit, which holds less than the wire.
        nanoseconds = count * (10**9 // PER_SECOND[unit])
        total, rest = divmod(nanoseconds * PER_SECOND[read], 10**9)
        within = -(2**63) <= total < 2**63 and not rest
        return count // PER_SECOND[unit] in YEARS_1_TO_9999 and within

    values = check(codec, columns, is_held)
    assert not codec.decode(values).failures


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(list(PER_SECOND)),
    st.sampled_from(["timestamp-millis", "timestamp-micros"]),
    LISTS,
)
@example("s", "timestamp-micros", EXTREMES)
@example("ns", "timestamp-millis", EXTREMES)
def test_avro_writes_a_timestamp_or_refuses_it(
    unit: str, logical: str, counts: list[int | None]
) -> None:
    schema = {
        "type": "record",
        "name": "Row",
        "fields": [
            {"name": "n", "type": "long"},
            {"name": "t", "type": ["null", {"type": "long", "logicalType": logical}]},
        ],
    }
    per = 10**3 if logical == "timestamp-millis" else 10**6

    def is_held(count: int) -> bool:
        total, rest = divmod(count * per, PER_SECOND[unit])
        return not rest and -(2**63) <= total < 2**63

    columns = columns_of(pa.timestamp(unit, "UTC"), counts)
    codec = create_codec("avro", {"schema": schema})
    values = check(codec, columns, is_held)
    assert not codec.decode(values).failures


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(list(PER_SECOND)), LISTS)
@example("ns", EXTREMES)
def test_a_duration_is_the_integer_it_is(unit: str, counts: list[int | None]) -> None:
    columns = columns_of(pa.duration(unit), counts)
    for codec in (JsonCodec(), MsgpackCodec()):
        again = codec.decode(check(codec, columns, lambda _count: True))
        assert again.columns.column("t").to_pylist() == counts


@pytest.mark.parametrize("codec", [JsonCodec(), MsgpackCodec()])
@pytest.mark.parametrize(
    ("kind", "bad", "good"),
    [(pa.date64(), 2**62, 0), (pa.time64("us"), 86_400_000_000, 5), (pa.timestamp("s"), 2**62, 0)],
)
def test_one_within_objects_lists_and_maps_is_refused_by_its_path(
    codec: Codec, kind: pa.DataType, bad: int, good: int
) -> None:
    times = pa.array([good, bad, good], pa.int64()).view(kind)
    offsets = pa.array([0, 1, 2, 3], pa.int32())
    texts = pa.array(["a", "b", "c"])
    columns = pa.RecordBatch.from_arrays(
        [
            pa.StructArray.from_arrays([pa.ListArray.from_arrays(offsets, times)], ["l"]),
            pa.MapArray.from_arrays(offsets, texts, times),
            pa.MapArray.from_arrays(offsets, times, texts),
        ],
        names=["o", "m", "k"],
    )
    for name, path in (("o", "o.l[]"), ("m", "m.b"), ("k", "k.keys")):
        [failure] = codec.encode(columns.select([name])).failures
        assert failure.index == 1
        assert f"field {path!r} cannot be written as" in str(failure.error)
