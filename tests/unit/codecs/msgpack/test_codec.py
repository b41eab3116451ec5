"""What becomes of MessagePack records; the reference library writes them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgpack
import msgspec
import pyarrow as pa
import pytest

from sabot.codecs import Decoded, JsonCodec, MsgpackCodec
from sabot.errors import ConfigurationError, DecodeError

pack = msgpack.packb


def decode(*documents: Any, **options: Any) -> Decoded:
    return MsgpackCodec(**options).decode([pack(document) for document in documents])


def reasons(decoded: Decoded) -> list[str]:
    assert all(isinstance(failure.error, DecodeError) for failure in decoded.failures)
    return [str(failure.error) for failure in decoded.failures]


def refused(value: bytes, **options: Any) -> str:
    """Decode a record between two good ones, and return why it alone failed."""
    good = pack({"id": 1})
    decoded = MsgpackCodec(**options).decode([good, value, good])
    assert decoded.columns.column("id").to_pylist() == [1, 1]
    assert [failure.index for failure in decoded.failures] == [1]
    return reasons(decoded)[0]


def test_members_become_columns_of_their_own_types() -> None:
    decoded = decode({"n": 1, "x": 0.5, "t": "a", "b": b"\x00", "f": True, "z": None})
    assert decoded.columns.schema == pa.schema(
        [
            ("n", pa.int64()),
            ("x", pa.float64()),
            ("t", pa.string()),
            ("b", pa.binary()),
            ("f", pa.bool_()),
            ("z", pa.null()),
        ]
    )


def test_maps_and_arrays_nest() -> None:
    decoded = decode({"m": {"k": b"v"}, "l": [{"n": 1}, None, {"n": 2.5}]})
    assert decoded.columns.to_pylist() == [{"m": {"k": b"v"}, "l": [{"n": 1.0}, None, {"n": 2.5}]}]


def test_an_empty_map_and_a_tombstone_are_rows_of_nulls() -> None:
    decoded = MsgpackCodec().decode([pack({"a": 1}), pack({}), None])
    assert decoded.columns.to_pylist() == [{"a": 1}, {"a": None}, {"a": None}]


def test_integers_become_doubles_when_one_with_a_fraction_arrives() -> None:
    assert decode({"x": 1}, {"x": 0.5}).columns.column("x").to_pylist() == [1.0, 0.5]


def test_a_float_of_32_bits_is_the_double_of_the_same_value() -> None:
    value = msgpack.packb({"x": 0.1}, use_single_float=True)
    (x,) = MsgpackCodec().decode([value]).columns.column("x").to_pylist()
    assert x == pytest.approx(0.1, abs=1e-8)
    assert x != 0.1


def test_nan_and_the_infinities_stay() -> None:
    nan, up, down = decode({"x": math.nan}, {"x": math.inf}, {"x": -math.inf}).columns.column("x")
    assert math.isnan(nan.as_py())
    assert (up.as_py(), down.as_py()) == (math.inf, -math.inf)


def test_text_is_no_bytes_and_bytes_are_no_text() -> None:
    assert reasons(decode({"v": "a"}, {"v": b"a"})) == [
        "field 'v' is bytes, but has been a string so far"
    ]
    assert reasons(decode({"v": b"a"}, {"v": "a"})) == [
        "field 'v' is a string, but has been bytes so far"
    ]


def test_an_integer_beyond_signed_64_bits_is_refused_unless_the_schema_holds_it() -> None:
    assert "beyond 64 bits" in refused(pack({"id": 2**63}))
    pinned = decode({"id": 2**64 - 1}, schema=pa.schema([("id", pa.uint64())]))
    assert pinned.columns.to_pylist() == [{"id": 2**64 - 1}]
    assert decode({"x": 0.5}, {"x": 2**64 - 1}).columns.to_pylist()[1] == {"x": float(2**64 - 1)}


def test_a_timestamp_is_an_instant() -> None:
    decoded = decode({"at": msgpack.Timestamp(1_700_000_000, 123_456_000)})
    assert decoded.columns.schema.field("at").type == pa.timestamp("us", "UTC")
    assert decoded.columns.to_pylist() == [
        {"at": datetime.fromtimestamp(1_700_000_000.123456, UTC)}
    ]


def test_another_extension_is_refused_as_a_column_and_a_row_has_it() -> None:
    value = pack({"id": 1, "e": msgpack.ExtType(5, b"x")})
    assert refused(value) == "field 'e' is of type Ext, which no column holds"
    (row,) = MsgpackCodec().decode_rows([value]).rows
    assert row == {"id": 1, "e": msgspec.msgpack.Ext(5, b"x")}
    assert MsgpackCodec().encode_rows([row]).values == [value]


@pytest.mark.parametrize("key", [1, None, b"k", (1, 2)])
def test_a_key_that_is_no_text_is_refused_as_a_column_and_a_row_has_it(key: Any) -> None:
    value = pack({"id": 1, "m": {key: 1}})
    assert "only text can name a column" in refused(value)
    assert MsgpackCodec().decode_rows([value]).rows == [{"id": 1, "m": {key: 1}}]
    assert "the value has the key" in refused(pack({key: 1}))


def test_the_last_of_duplicate_keys_wins() -> None:
    value = b"\x83\xa2id\xa1x\xa2id\x01\xa2id\x02"
    decoded = MsgpackCodec().decode([pack({"id": 1}), value])
    assert decoded.columns.to_pylist() == [{"id": 1}, {"id": 2}]


def test_any_name_can_be_a_column() -> None:
    document = {'say "hi"': 1, "class": 2, "": 3, "a\\b": {"\n": b"x"}}
    assert decode(document, document).columns.to_pylist() == [document, document]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "truncated"),
        (b"\xc1", "invalid opcode"),
        (b"\x81\xa2id\x01\xc0", "trailing characters"),
        (b"\x81\xa2id", "truncated"),
        (b"\x82\xa2id\x01\xa1t\xa1\xff", "not valid UTF-8"),
        (b"\x81\xa1\xff\x01", "not valid UTF-8"),
        (pack([1]), "the value is a list, not an object"),
        (pack("text"), "the value is a string, not an object"),
        (pack(b"bin"), "the value is bytes, not an object"),
        (pack(7), "the value is a number, not an object"),
        (b"\xc0", "the value is null, not an object"),
        (pack(msgpack.Timestamp(1, 0)), "the value is a timestamp, not an object"),
        (pack(msgpack.ExtType(1, b"")), "the value is an extension, not an object"),
        (b"\x91" * 10_000 + b"\xc0", "nested"),
        (b"\x81\xa1a" * 10_000 + b"\xc0", "nested"),
    ],
)
def test_a_record_that_is_no_map_is_refused_alone(value: bytes, reason: str) -> None:
    assert reason in refused(value)


@pytest.mark.parametrize(
    "value",
    [
        b"\xdb\x7f\xff\xff\xff12345",
        b"\xc6\x7f\xff\xff\xff12345",
        b"\xc9\x7f\xff\xff\xff\x0512345",
        b"\xdd\x7f\xff\xff\xff12345",
        b"\xdf\x7f\xff\xff\xff\xa1a1",
        b"\xdd\x00\xff\xff\xff" * 200,
    ],
)
def test_a_huge_declared_length_takes_no_memory(value: bytes) -> None:
    before = pa.total_allocated_bytes()
    for record in (value, b"\x81\xa1x" + value, b"\x82\xa2id\x01\xa1x" + value):
        refused(record)
    pinned = pa.schema([("id", pa.int64()), ("x", pa.list_(pa.int64()))])
    refused(b"\x82\xa2id\x01\xa1x" + value, schema=pinned)
    assert pa.total_allocated_bytes() - before < 1_000_000


def test_a_value_of_a_megabyte_is_one_row() -> None:
    decoded = decode({"b": b"x" * 1_000_000, "t": "y" * 1_000_000})
    assert not decoded.failures
    assert len(decoded.columns.column("b")[0].as_py()) == 1_000_000


def test_nesting_up_to_64_levels_is_taken() -> None:
    document: Any = {}
    for _ in range(63):
        document = {"a": document}
    assert not decode(document).failures
    assert reasons(decode({"a": document})) == ["field 'a' is nested deeper than 64 levels"]


def test_keys_that_are_data_are_refused_past_max_columns() -> None:
    decoded = decode({"a": 1}, {"b": 1, "c": 1}, {"a": 2}, max_columns=2)
    assert [failure.index for failure in decoded.failures] == [1]
    assert "max_columns is 2" in reasons(decoded)[0]


# --- pinned -----------------------------------------------------------------------------


def test_a_schema_pins_types_and_ignores_the_rest() -> None:
    schema = pa.schema(
        [
            ("i", pa.int8()),
            ("f", pa.float32()),
            ("d", pa.decimal128(10, 2)),
            ("s", pa.string()),
            ("b", pa.binary(2)),
            ("at", pa.timestamp("ns", "UTC")),
            ("local", pa.timestamp("us")),
            ("day", pa.date32()),
            ("m", pa.map_(pa.string(), pa.int64())),
        ]
    )
    document = {
        "i": -5,
        "f": math.inf,
        "d": "1.10",
        "s": 7,
        "b": b"xy",
        "at": msgpack.Timestamp(1, 5),
        "local": "2026-01-02T03:04:05",
        "day": "2026-01-02",
        "m": {"k": 1},
        "other": msgpack.ExtType(7, b""),
    }
    decoded = decode(document, schema=schema)
    assert not decoded.failures
    assert decoded.columns.schema == schema
    assert decoded.columns.column("at").cast(pa.int64()).to_pylist() == [1_000_000_005]
    row = decoded.columns.drop_columns(["at"]).to_pylist()[0]
    assert row == {
        "i": -5,
        "f": math.inf,
        "d": Decimal("1.10"),
        "s": "7",
        "b": b"xy",
        "local": datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - the column has no zone
        "day": datetime(2026, 1, 2, tzinfo=UTC).date(),
        "m": [("k", 1)],
    }
    again = MsgpackCodec(schema=schema)
    assert again.decode(again.encode(decoded.columns).values).columns == decoded.columns


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.int8(), 128),
        (pa.uint64(), -1),
        (pa.int64(), 2**63),
        (pa.float32(), 1e300),
        (pa.float16(), 70000.0),
        (pa.string(), b"x"),
        (pa.binary(), "x"),
        (pa.binary(2), b"x"),
        (pa.bool_(), 1),
        (pa.decimal128(4, 1), "1.25"),
        (pa.timestamp("us"), msgpack.Timestamp(1, 0)),
        (pa.timestamp("us", "UTC"), msgpack.Timestamp(1, 1)),
        (pa.timestamp("us", "UTC"), msgpack.ExtType(5, b"1234")),
        (pa.timestamp("us", "UTC"), "2026-01-02T03:04:05"),
        (pa.list_(pa.int64()), {"a": 1}),
        (pa.map_(pa.string(), pa.int64()), {1: 1}),
    ],
)
def test_what_a_pinned_type_cannot_hold_is_refused_alone(kind: pa.DataType, value: Any) -> None:
    schema = pa.schema([("id", pa.int64()), ("v", kind)])
    refused(pack({"id": 2, "v": value}), schema=schema)


def test_a_type_that_cannot_be_pinned_is_refused_when_the_codec_is_made() -> None:
    with pytest.raises(ConfigurationError, match="'d' is of type duration"):
        MsgpackCodec(schema=pa.schema([("d", pa.duration("s"))]))
    with pytest.raises(ConfigurationError, match="max_columns is 0"):
        MsgpackCodec(max_columns=0)


# --- written ----------------------------------------------------------------------------


def test_the_reference_library_reads_what_is_written() -> None:
    columns = pa.RecordBatch.from_pydict(
        {
            "n": pa.array([2**64 - 1], pa.uint64()),
            "x": pa.array([math.inf]),
            "b": pa.array([b"\xff"]),
            "at": pa.array([1_700_000_000_000_000_001], pa.timestamp("ns", "UTC")),
            "local": pa.array([1], pa.timestamp("us")),
            "d": pa.array([Decimal("1.10")]),
            "day": pa.array([1], pa.date32()),
            "wait": pa.array([5], pa.duration("ms")),
            "word": pa.array(["a"]).dictionary_encode(),
            "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "l": pa.array([[[0.5], None]]),
            'odd "name"': pa.array([None]),
        }
    )
    (value,) = MsgpackCodec().encode(columns).values
    assert value is not None
    assert msgpack.unpackb(value) == {
        "n": 2**64 - 1,
        "x": math.inf,
        "b": b"\xff",
        "at": msgpack.Timestamp(1_700_000_000, 1),
        "local": "1970-01-01T00:00:00.000001",
        "d": "1.10",
        "day": "1970-01-02",
        "wait": 5,
        "word": "a",
        "m": {"k": 1},
        "l": [[0.5], None],
        'odd "name"': None,
    }


def test_rows_are_written_as_the_library_reads_them() -> None:
    rows = [{1: "a"}, None, [1, b"x"], datetime(2026, 1, 2, tzinfo=UTC), 2**64]
    encoded = MsgpackCodec().encode_rows(rows)
    assert [failure.index for failure in encoded.failures] == [4]
    read = [
        None if value is None else msgpack.unpackb(value, timestamp=3, strict_map_key=False)
        for value in encoded.values
    ]
    assert read == rows[:4]


def test_a_batch_without_columns_is_written_as_empty_maps() -> None:
    columns = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))
    assert MsgpackCodec().encode(columns).values == [b"\x80", b"\x80"]


def test_it_reads_as_another_of_the_same_schema_only() -> None:
    pinned = MsgpackCodec(schema=pa.schema([("id", pa.int64())]))
    assert pinned.reads_as(MsgpackCodec(schema=pa.schema([("id", pa.int64())])))
    assert not pinned.reads_as(MsgpackCodec())
    assert not MsgpackCodec().reads_as(JsonCodec())
