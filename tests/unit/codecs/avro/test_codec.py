"""Avro beside fastavro, the independent witness of what bytes mean."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from sabot.codecs import AvroCodec, create_codec
from sabot.errors import ConfigurationError, SchemaMismatchError
from tests.unit.codecs.avro.values import FIXED, PARTED, RICH, expected, record, written

SCHEMAS = pytest.mark.parametrize("schema", [RICH, FIXED, PARTED], ids=["rich", "fixed", "parted"])


def of(*fields: tuple[Any, ...], name: str = "R") -> dict[str, Any]:
    keys = ("name", "type", "default")
    made = [dict(zip(keys, field, strict=False)) for field in fields]
    return {"type": "record", "name": name, "fields": made}


def zigzag(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


@SCHEMAS
def test_what_fastavro_wrote_becomes_columns(schema: dict[str, Any]) -> None:
    chance = random.Random(1)
    rows = [record(chance, schema) for _ in range(200)]
    decoded = AvroCodec(schema=schema).decode([written(schema, row) for row in rows])
    assert not decoded.failures
    decoded.columns.validate(full=True)
    assert decoded.columns.to_pylist() == list(map(expected, rows))


@SCHEMAS
def test_columns_are_written_byte_for_byte_as_fastavro_writes_them(schema: Any) -> None:
    chance = random.Random(2)
    values = [written(schema, record(chance, schema)) for _ in range(100)]
    codec = AvroCodec(schema=schema)
    columns = codec.decode(values).columns
    assert codec.encode(columns).values == values
    assert codec.encode(columns.slice(37, 30)).values == values[37:67]
    assert codec.encode(columns.take(pa.array([5, 3, 5]))).values == [values[n] for n in (5, 3, 5)]


@SCHEMAS
def test_rows_are_what_fastavro_reads(schema: dict[str, Any]) -> None:
    chance = random.Random(3)
    values = [written(schema, record(chance, schema)) for _ in range(20)]
    codec = AvroCodec(schema=schema)
    rows = codec.decode_rows(values).rows
    parsed = fastavro.parse_schema(schema)
    assert rows == [fastavro.schemaless_reader(io.BytesIO(value), parsed, None) for value in values]
    assert isinstance(rows[0]["decimal"], Decimal)
    assert isinstance(rows[0]["millis"], dt.datetime)


@SCHEMAS
def test_a_record_cut_off_anywhere_fails_alone(schema: dict[str, Any]) -> None:
    chance = random.Random(4)
    good = [written(schema, record(chance, schema)) for _ in range(2)]
    codec = AvroCodec(schema=schema)
    columns = codec.decode(good).columns
    whole = written(schema, record(chance, schema))
    for length in range(len(whole)):
        decoded = codec.decode([good[0], whole[:length], good[1]])
        assert [failure.index for failure in decoded.failures] == [1], length
        assert decoded.columns == columns
    decoded = codec.decode([good[0], whole + b"\x00", good[1]])
    assert [failure.index for failure in decoded.failures] == [1]
    assert "bytes are left" in str(decoded.failures[0].error)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", b"\x04\xff\xfe"),
        ("string", zigzag(2**31) + b"abc"),
        ("string", zigzag(2**62) + b"abc"),
        ("string", zigzag(-1) + b"abc"),
        ("bytes", zigzag(2**31) + b"abc"),
        ("bytes", zigzag(-5)),
        ("boolean", b"\x02"),
        ("int", zigzag(2**31)),
        ("int", b"\xff" * 11),
        ("long", b"\x80" * 10 + b"\x01"),
        (["null", "long"], b"\x04"),
        (["null", "long"], b"\x01"),
        (["null", "long", "string"], b"\x06\x02"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x02"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x01"),
        ({"type": "array", "items": "long"}, zigzag(2**40) + b"\x02"),
        ({"type": "array", "items": "long"}, zigzag(-(2**62)) + zigzag(2**62) + b"\x02"),
        ({"type": "map", "values": "long"}, zigzag(2**40) + b"\x02"),
        ({"type": "map", "values": "long"}, b"\x02\x02\xff\x02\x00"),
        ({"type": "int", "logicalType": "time-millis"}, zigzag(86_400_000)),
        ({"type": "long", "logicalType": "time-micros"}, zigzag(-1)),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2}, b"\x02\x64"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2}, zigzag(99) + b"\x7f" * 99),
        ({"type": "string", "logicalType": "uuid"}, b"\x02a"),
        ({"type": "fixed", "name": "F", "size": 3}, b"ab"),
        ({"type": "fixed", "name": "F", "size": 2**31 - 1}, b"ab"),
    ],
    ids=str,
)  # fmt: skip
def test_bytes_that_are_no_value_of_the_type_fail_alone(kind: Any, value: bytes) -> None:
    codec = AvroCodec(schema=of(("id", "long"), ("f", kind)))
    decoded = codec.decode([b"\x02" + value, None, b"\x02" + value])
    assert [failure.index for failure in decoded.failures] == [0, 2]
    assert decoded.columns.to_pylist() == [{"id": None, "f": None}]


def test_what_the_columnar_decoder_takes_for_text_may_be_any_bytes() -> None:
    codec = AvroCodec(schema=of(("b", "bytes"), ("m", {"type": "map", "values": "bytes"})))
    columns = codec.decode([b"\x04\xff\xfe\x02\x02k\x02\xff\x00"]).columns
    assert columns.to_pylist() == [{"b": b"\xff\xfe", "m": [("k", b"\xff")]}]
    assert codec.encode(columns).values == [b"\x04\xff\xfe\x02\x02k\x02\xff\x00"]


def test_a_length_that_is_not_there_takes_no_memory_in_either_decoder() -> None:
    fixed = {"type": "fixed", "name": "F", "size": 1}
    for fields in ([("b", "bytes")], [("b", "bytes"), ("f", fixed)]):
        codec = AvroCodec(schema=of(*fields))
        for length in (2**31 - 1, 2**40, 2**62, -1, -(2**62)):
            decoded = codec.decode([zigzag(length) + b"abc"])
            assert len(decoded.failures) == 1, length
            assert len(codec.decode_rows([zigzag(length) + b"abc"]).failures) == 1, length


def test_a_megabyte_and_an_array_in_blocks_with_sizes_are_read() -> None:
    codec = AvroCodec(schema=of(("s", "string")))
    text = "x" * 1_000_000
    assert codec.decode([zigzag(len(text)) + text.encode()]).columns["s"][0].as_py() == text
    numbers = AvroCodec(schema=of(("a", {"type": "array", "items": "long"})))
    value = zigzag(-2) + zigzag(2) + b"\x02\x04" + zigzag(1) + b"\x06\x00"
    assert numbers.decode([value]).columns.to_pylist() == [{"a": [1, 2, 3]}]


def test_a_type_that_is_no_record_becomes_the_column_value() -> None:
    codec = AvroCodec(schema="long")
    decoded = codec.decode([zigzag(7), None])
    assert decoded.columns.to_pylist() == [{"value": 7}, {"value": None}]
    assert codec.encode(decoded.columns.slice(0, 1)).values == [zigzag(7)]
    assert codec.decode_rows([zigzag(7), None]).rows == [7, None]


def test_bad_records_among_many_are_found_and_the_others_keep_their_order() -> None:
    codec = AvroCodec(schema=of(("n", "int"), ("s", "string")))
    bad = {3: b"", 500: b"\x02\x02\xff", 501: zigzag(2**31) + b"\x00", 999: b"\x02\x00\x00"}
    values = [bad.get(number) or zigzag(number) + b"\x00" for number in range(1000)]
    values[3] = b""
    decoded = codec.decode(values)
    assert [failure.index for failure in decoded.failures] == sorted(bad)
    assert decoded.columns["n"].to_pylist() == [n for n in range(1000) if n not in bad]


def test_text_that_is_none_is_found_in_lists_maps_and_unions_of_many_records() -> None:
    inner = of(("t", {"type": "array", "items": ["null", "string"]}), name="In")
    codec = AvroCodec(
        schema=of(
            ("n", "long"),
            ("lists", {"type": "array", "items": inner}),
            ("map", {"type": "map", "values": {"type": "map", "values": "string"}}),
            ("union", ["null", "long", "string", "In"]),
        )
    )
    chance = random.Random(5)
    values, rows, bad = [], [], []
    for number in range(600):
        texts = [chance.choice([b"\x00", b"\x02\x02a"]) for _ in range(chance.randint(1, 3))]
        parts = [b"\x02" + zigzag(len(texts)) + b"".join(texts) + b"\x00\x00"]
        parts += [b"\x02\x02k\x02\x02j\x02v\x00\x00", b"\x04\x02u"]
        if chance.random() < 0.05:
            bad.append(number)
            at = chance.randrange(3)
            damage = (b"\x02\x02\x02\x02\xff\x00\x00", b"\x02\x02k\x02\x02\xff\x02v\x00\x00")
            parts[at] = (*damage, b"\x06\x02\x02\x02\xff\x00")[at]
        else:
            lists = [{"t": ["a" if len(text) > 1 else None for text in texts]}]
            rows.append((number, lists))
        values.append(zigzag(number) + b"".join(parts))
    decoded = codec.decode(values)
    decoded.columns.validate(full=True)
    assert [failure.index for failure in decoded.failures] == bad
    assert [(row["n"], row["lists"]) for row in decoded.columns.to_pylist()] == rows
    last = decoded.columns.to_pylist()[-1]
    assert last["map"] == [("k", [("j", "v")])]
    assert last["union"] == {"long": None, "string": "u", "In": None}


def test_a_null_for_which_the_schema_has_no_room_fails_alone() -> None:
    codec = AvroCodec(schema=of(("n", "int"), ("s", of(("t", "string"), name="S"))))
    columns = pa.RecordBatch.from_pylist(
        [
            {"n": 1, "s": {"t": "a"}},
            {"n": None, "s": {"t": "a"}},
            {"n": 3, "s": None},
            {"n": 4, "s": {"t": None}},
            {"n": 5, "s": {"t": "b"}},
        ]
    )
    encoded = codec.encode(columns)
    assert [failure.index for failure in encoded.failures] == [1, 2, 3]
    assert "field 's.t' is null" in str(encoded.failures[2].error)
    assert encoded.values == [b"\x02\x02a", b"\x0a\x02b"]


@pytest.mark.parametrize(
    ("kind", "values", "bad"),
    [
        ("int", pa.array([1, 2**31]), [1]),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, pa.array(["A", "B"]), [1]),
        ({"type": "fixed", "name": "F", "size": 2}, pa.array([b"ab", b"abc"]), [1]),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1},
            pa.array([Decimal("1.5"), Decimal("100.55")]),
            [1],
        ),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            pa.array([1000, 1001], pa.timestamp("us", "UTC")),
            [1],
        ),
        ({"type": "string", "logicalType": "uuid"}, pa.array(["x"]), [0]),
    ],
    ids=str,
)
def test_a_value_for_which_the_schema_has_no_room_fails_alone(
    kind: Any, values: Any, bad: list[int]
) -> None:
    columns = pa.RecordBatch.from_arrays([values], names=["f"])
    encoded = AvroCodec(schema=of(("f", kind))).encode(columns)
    assert [failure.index for failure in encoded.failures] == bad


@pytest.mark.parametrize(
    ("column", "kind", "becomes"),
    [
        (pa.array([1], pa.uint16()), "long", 1),
        (pa.array([1], pa.int64()), "double", 1.0),
        (pa.array(["a"], pa.large_string()), "string", "a"),
        (pa.array(["a"]).dictionary_encode(), "string", "a"),
        (pa.array(["a"]), "bytes", b"a"),
        (pa.array([[1]], pa.large_list(pa.int32())), {"type": "array", "items": "long"}, [1]),
        (pa.array([[1]], pa.list_(pa.int32(), 1)), {"type": "array", "items": "long"}, [1]),
        (pa.array(["q"]), ["null", "int", "string"], {"int": None, "string": "q"}),
        (pa.array([None], pa.null()), ["null", "int", "string"], None),
        (pa.array([None], pa.null()), ["null", "int"], None),
        (pa.array([3], pa.int64()), ["null", "int", "string"], {"int": 3, "string": None}),
    ],
    ids=str,
)  # fmt: skip
def test_columns_of_a_kindred_type_are_written(column: Any, kind: Any, becomes: Any) -> None:
    codec = AvroCodec(schema=of(("f", kind)))
    encoded = codec.encode(pa.RecordBatch.from_arrays([column], names=["f"]))
    assert not encoded.failures
    assert codec.decode(encoded.values).columns.to_pylist() == [{"f": becomes}]


def test_columns_that_are_not_in_the_schema_are_left_out_and_defaults_fill_in() -> None:
    codec = AvroCodec(schema=of(("a", "int"), ("b", "string", "x"), ("c", ["null", "int"])))
    columns = pa.RecordBatch.from_pydict({"other": [9], "a": [1]})
    encoded = codec.encode(columns)
    assert codec.decode(encoded.values).columns.to_pylist() == [{"a": 1, "b": "x", "c": None}]


def test_columns_that_cannot_fit_stop_the_batch_with_the_reason() -> None:
    codec = AvroCodec(schema=of(("a", "int")))
    with pytest.raises(SchemaMismatchError, match="field 'a' without a default"):
        codec.encode(pa.RecordBatch.from_pydict({"b": [1]}))
    with pytest.raises(SchemaMismatchError, match="is of type string, but the schema wants 'int'"):
        codec.encode(pa.RecordBatch.from_pydict({"a": ["1"]}))


def test_single_objects_are_read_by_their_fingerprint() -> None:
    old, new = of(("a", "int")), of(("a", "long"), ("b", "string", "new"))
    writer = AvroCodec(schema=old, encoding="single_object")
    [value] = writer.encode(pa.RecordBatch.from_pydict({"a": [1]})).values
    assert value is not None
    assert value[:2] == b"\xc3\x01"
    assert writer.decode([value]).columns.to_pylist() == [{"a": 1}]
    reader = AvroCodec(schema=new, encoding="single_object", writer_schemas=[json.dumps(old)])
    own = reader.encode(pa.RecordBatch.from_pydict({"a": [2], "b": ["own"]})).values
    values = [own[0], value, b"\xc3\x01" + bytes(8), value[1:], b""]
    decoded = reader.decode(values)
    assert decoded.columns.to_pylist() == [{"a": 2, "b": "own"}, {"a": 1, "b": "new"}]
    assert [failure.index for failure in decoded.failures] == [2, 3, 4]
    assert "fingerprint 0000000000000000" in str(decoded.failures[0].error)
    assert reader.decode_rows(values[:2]).rows == [{"a": 2, "b": "own"}, {"a": 1, "b": "new"}]


def test_the_fingerprint_is_that_of_the_specification() -> None:
    value = AvroCodec(schema="int", encoding="single_object").encode_rows([1]).values[0]
    assert value == b"\xc3\x01" + (0x7275D51A3F395C8F).to_bytes(8, "little") + b"\x02"


def test_a_schema_may_be_a_dict_or_its_text() -> None:
    schema = of(("a", "int"))
    for given in (schema, json.dumps(schema)):
        assert create_codec("avro", {"schema": given}).decode([b"\x02"]).columns.num_rows == 1


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({}, "needs a 'schema_registry_url', or a 'schema'"),
        ({"schema": "{"}, "not JSON"),
        ({"schema": "nope"}, "not JSON"),
        ({"schema": {"type": "record"}}, "cannot be used"),
        ({"schema": "int", "encoding": "single"}, "did you mean 'single_object'"),
        ({"schema": "int", "encodin": "raw"}, "did you mean 'encoding'"),
        ({"schema": "int", "subject": "s"}, "no 'schema_registry_url'"),
        ({"schema_registry_url": "http://r", "encoding": "raw"}, "without a registry"),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_when_the_codec_is_made(
    options: dict[str, Any], part: str
) -> None:
    with pytest.raises(ConfigurationError, match=part):
        create_codec("avro", options)


def test_codecs_of_one_schema_read_the_same_and_others_do_not() -> None:
    one, same, other = (AvroCodec(schema=of(("a", kind))) for kind in ("int", "int", "long"))
    assert one.reads_as(same)
    assert not one.reads_as(other)
    assert not one.reads_as(create_codec("json"))
    there = {"schema_registry_url": "http://r"}
    assert not create_codec("avro", there | {"subject": "a"}).reads_as(
        create_codec("avro", there | {"subject": "b"})
    )


def test_an_enum_of_very_many_symbols_is_read() -> None:
    symbols = [f"S{number}" for number in range(200_000)]
    codec = AvroCodec(schema=of(("e", {"type": "enum", "name": "E", "symbols": symbols})))
    decoded = codec.decode([zigzag(199_999), zigzag(200_000), zigzag(0)])
    assert [failure.index for failure in decoded.failures] == [1]
    assert decoded.columns.column("e").to_pylist() == ["S199999", "S0"]
