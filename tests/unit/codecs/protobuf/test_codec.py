from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs import ProtobufCodec
from sabot.errors import ConfigurationError, EncodeError
from tests.unit.codecs.protobuf.messages import PROTO2, PROTO3, full_message, message


def codec(name: str = "All", text: str = PROTO3, **options: Any) -> ProtobufCodec:
    return ProtobufCodec(message_class=message(name, text), **options)


def row(value: bytes, name: str = "All", text: str = PROTO3) -> dict[str, Any]:
    decoded = codec(name, text).decode([value])
    assert not decoded.failures
    (found,) = decoded.columns.to_pylist()
    return found


def refusal(value: bytes, name: str = "All", text: str = PROTO3) -> str:
    decoded = codec(name, text).decode([b"" if text == PROTO3 else b"\x08\x01", value])
    assert [failure.index for failure in decoded.failures] == [1]
    assert decoded.columns.num_rows == 1
    rows = codec(name, text).decode_rows([value])
    assert [failure.index for failure in rows.failures] == [0]
    return str(decoded.failures[0].error)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("f64", pa.float64()),
        ("f32", pa.float32()),
        ("i32", pa.int32()),
        ("s32", pa.int32()),
        ("sx32", pa.int32()),
        ("i64", pa.int64()),
        ("s64", pa.int64()),
        ("sx64", pa.int64()),
        ("u32", pa.uint32()),
        ("x32", pa.uint32()),
        ("u64", pa.uint64()),
        ("x64", pa.uint64()),
        ("yes", pa.bool_()),
        ("text", pa.string()),
        ("data", pa.binary()),
        ("color", pa.string()),
        ("numbers", pa.list_(pa.int64())),
        ("counts", pa.map_(pa.string(), pa.int64())),
        ("at", pa.timestamp("us", "UTC")),
        ("took", pa.duration("us")),
        ("wrapped", pa.int64()),
        ("info", pa.string()),
        ("any", pa.struct([("type_url", pa.string()), ("value", pa.binary())])),
        ("tree", pa.struct([("name", pa.string()), ("children", pa.list_(pa.binary()))])),
    ],
)
def test_each_field_becomes_a_column_of_its_type(field: str, kind: pa.DataType) -> None:
    schema = codec().schema
    assert schema.field(field).type == kind
    assert codec().decode([full_message().SerializeToString()]).columns.schema == schema


def test_every_field_keeps_its_value() -> None:
    found = row(full_message().SerializeToString())
    assert math.copysign(1, found["f64"]) == -1
    assert found["u64"] == 2**64 - 1
    assert found["color"] == "BLUE"
    assert found["part"] == {"size": 1, "label": "", "colors": ["RED", "BLUE", "BLACK"]}
    assert found["counts"] == [("a", 0)]
    assert (found["by_name"], found["by_number"], found["by_part"]) == (None, 0, None)
    assert found["at"] == dt.datetime(1969, 12, 31, 23, 59, 55, 7, dt.UTC)
    assert found["took"] == -dt.timedelta(seconds=1, microseconds=5)
    assert (found["wrapped"], found["wrapped_text"]) == (0, "")
    assert found["texts"] == ["", "t"]
    assert found["info"] == '{"a": [1.0, {"b": null}]}'
    assert found["value"] == '"v"'
    assert found["tree"]["children"] == [b"\x12\x06\n\x04leaf"]
    assert found["day"] == {"year": 2020, "month": 0, "day": 0}
    assert found["values"] == [("v", "2.0")]


def test_what_is_not_set_is_null_where_that_can_be_told_and_else_its_default() -> None:
    found = row(b"")
    assert (found["i32"], found["text"], found["color"], found["yes"]) == (0, "", "RED", False)
    assert (found["numbers"], found["counts"]) == ([], [])
    for name in ("maybe", "maybe_color", "part", "by_number", "at", "wrapped", "info", "value"):
        assert found[name] is None


def test_a_number_that_no_value_of_the_enum_has_is_its_digits() -> None:
    assert row(message("All")(color=77).SerializeToString())["color"] == "77"


def test_a_oneof_set_twice_is_the_last_one() -> None:
    made = message("All")
    found = row(made(by_name="a").SerializeToString() + made(by_number=3).SerializeToString())
    assert (found["by_name"], found["by_number"]) == (None, 3)


def test_a_key_twice_in_a_map_is_the_last_one() -> None:
    made = message("All")
    value = made(counts={"a": 1}).SerializeToString() + made(counts={"a": 2}).SerializeToString()
    assert row(value)["counts"] == [("a", 2)]


def test_a_message_sent_in_two_parts_is_merged() -> None:
    made = message("All")
    value = (
        made(part={"size": 1}).SerializeToString() + made(part={"label": "x"}).SerializeToString()
    )
    assert row(value)["part"] == {"size": 1, "label": "x", "colors": []}


def test_unknown_fields_and_groups_are_ignored() -> None:
    assert row(b"\x08\x07\xfa\x7f\x01x\xfb\x7f\x08\x01\xfc\x7f", "Flat")["id"] == 7


def test_a_message_without_fields_is_a_row_without_columns() -> None:
    columns = codec("Empty").decode([b"", None, b""]).columns
    assert (columns.num_rows, columns.num_columns) == (3, 0)
    assert codec("Empty").encode(columns).values == [b"", b"", b""]


def test_a_field_number_beyond_all_tables_is_read_and_written() -> None:
    value = message("Far")(near=1, far=2).SerializeToString()
    decoded = codec("Far").decode([value]).columns
    assert decoded.to_pylist() == [{"near": 1, "far": 2}]
    assert codec("Far").encode(decoded).values == [value]


def test_a_proto2_default_is_not_filled_in() -> None:
    assert row(b"\x08\x01", "Order", PROTO2) == {
        "id": 1,
        "note": None,
        "packed": [],
        "kind": None,
    }


def test_an_unknown_value_of_a_closed_enum_is_no_value() -> None:
    assert row(b"\x08\x01\x20\x09", "Order", PROTO2)["kind"] is None


def test_a_group_is_a_struct() -> None:
    value = message("Grouped", PROTO2)(pair={"left": 1}, other=2).SerializeToString()
    reader = codec("Grouped", PROTO2)
    columns = reader.decode([value, b""]).columns
    assert columns.to_pylist() == [{"pair": {"left": 1}, "other": 2}, {"pair": None, "other": None}]
    assert reader.encode(columns).values == [value, b""]


def test_a_required_field_that_is_missing_is_refused() -> None:
    assert "no value for the required 'id'" in refusal(b"\x12\x01x", "Order", PROTO2)


def test_text_that_is_not_utf8_is_refused() -> None:
    assert "UTF-8" in refusal(b"\x72\x02\xff\xfe")


@pytest.mark.parametrize("seconds", [2**62, -62_135_596_801, 253_402_300_800])
def test_a_time_outside_the_years_1_to_9999_is_refused(seconds: int) -> None:
    assert "range" in refusal(message("All")(at={"seconds": seconds}).SerializeToString())


@pytest.mark.parametrize(
    "value",
    [
        b"\x72\xff\xff\xff\xff\x07",
        b"\x72" + b"\xff" * 9 + b"\x01",
        b"\xfa\x7f" + b"\xff" * 9 + b"\x01",
    ],
)
def test_a_huge_declared_length_is_refused(value: bytes) -> None:
    assert "cannot be parsed" in refusal(value)


def test_small_negative_numbers_are_no_huge_lengths() -> None:
    made = message("All")(i64=-1, numbers=[-1, -2], text="\x0a")
    assert row(made.SerializeToString())["numbers"] == [-1, -2]


def test_nanoseconds_hold_only_the_years_about_1970() -> None:
    made = message("All")
    good = made(at={"seconds": 1, "nanos": 7}).SerializeToString()
    late = made(at={"seconds": 253_402_300_799}).SerializeToString()
    decoded = codec(timestamp_unit="ns").decode([good, late])
    assert decoded.columns.column("at").cast(pa.int64()).to_pylist() == [1_000_000_007]
    assert "does not fit" in str(decoded.failures[0].error)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_written_back_in_every_unit(unit: Any) -> None:
    made = message("All")(at={"seconds": -3}, took={"seconds": -3})
    writer = codec(timestamp_unit=unit)
    columns = writer.decode([made.SerializeToString()]).columns
    (value,) = writer.encode(columns).values
    assert message("All").FromString(value or b"") == made


def test_what_is_decoded_is_encoded_to_an_equal_message() -> None:
    values = [full_message().SerializeToString(), b""]
    reader = codec()
    columns = reader.decode(values).columns
    encoded = reader.encode(columns)
    assert not encoded.failures
    assert [message("All").FromString(value or b"") for value in encoded.values] == [
        full_message(),
        message("All")(),
    ]
    assert reader.decode(encoded.values).columns == columns
    assert reader.encode(columns.slice(1, 1)).values == encoded.values[1:]


def test_rows_are_decoded_and_encoded_to_an_equal_message() -> None:
    values = [full_message().SerializeToString(), b"", None]
    rows = codec().decode_rows(values).rows
    assert rows[2] is None
    assert rows[0]["counts"] == {"a": 0}
    encoded = codec().encode_rows([*rows, full_message()])
    assert not encoded.failures
    assert encoded.values[2] is None
    for number in (0, 3):
        assert message("All").FromString(encoded.values[number] or b"") == full_message()


def test_rows_and_columns_say_the_same() -> None:
    value = full_message().SerializeToString()
    (from_row,) = codec().decode_rows([value]).rows
    maps = {"counts": dict, "by_size": dict, "last": dict, "values": dict}
    assert from_row == {
        name: maps.get(name, lambda found: found)(found) for name, found in row(value).items()
    }


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"txt": ["x"]}, "did you mean 'text'"),
        ({"text": [1]}, "field 'text' is int64"),
        ({"i32": ["x"]}, "field 'i32' is string"),
        ({"part": [{"siez": 1}]}, "did you mean 'size'"),
    ],
)
def test_columns_the_message_has_no_field_for_are_refused_as_a_whole(
    columns: dict[str, list[Any]], reason: str
) -> None:
    with pytest.raises(EncodeError, match=reason):
        codec().encode(pa.RecordBatch.from_pydict(columns))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"i32": [1, 2**40, 3]}, "does not fit int32"),
        ({"i32": [1.0, 1.5, 3.0]}, "does not fit int32"),
        ({"color": ["RED", "REDD", "5"]}, "did you mean 'RED'"),
        ({"numbers": [[1], [1, None], []]}, "holds a null"),
        ({"by_name": ["a", "b", None], "by_number": [None, 1, 1]}, "only one of"),
        ({"info": ["{}", "{", None]}, "is no JSON"),
        ({"tree": [None, {"children": [b"\xff"]}, None]}, "bytes are no"),
    ],
)
def test_a_row_no_message_can_hold_fails_alone(values: dict[str, list[Any]], reason: str) -> None:
    encoded = codec().encode(pa.RecordBatch.from_pydict(values))
    assert [failure.index for failure in encoded.failures] == [1]
    assert len(encoded.values) == 2
    assert reason in str(encoded.failures[0].error)


def test_a_null_in_a_required_field_fails_alone() -> None:
    encoded = codec("Order", PROTO2).encode(pa.RecordBatch.from_pydict({"id": [1, None]}))
    assert encoded.values == [b"\x08\x01"]
    assert [failure.index for failure in encoded.failures] == [1]


def test_a_null_is_a_field_that_is_not_set() -> None:
    columns = pa.RecordBatch.from_pydict({"i32": pa.array([None], pa.int32())})
    assert codec().encode(columns).values == [b""]


def test_columns_of_near_types_are_written() -> None:
    columns = pa.RecordBatch.from_pydict(
        {
            "i32": pa.array([1], pa.int64()),
            "f32": pa.array([2], pa.int8()),
            "text": pa.array(["x"]).dictionary_encode(),
            "numbers": pa.array([[1, 2]], pa.list_(pa.int8(), 2)),
            "at": pa.array([1], pa.timestamp("ms")),
            "color": pa.array(["GREEN"], pa.large_string()),
            "maybe": pa.nulls(1),
        }
    )
    (value,) = codec().encode(columns).values
    assert message("All").FromString(value or b"") == message("All")(
        i32=1, f32=2, text="x", numbers=[1, 2], at={"nanos": 1_000_000}, color=1
    )


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"txt": "x"}, "did you mean 'text'"),
        ({"i32": "x"}, "field 'i32'"),
        ({"i32": 2**40}, "field 'i32'"),
        ({"numbers": "12"}, "a list is needed"),
        ({"numbers": [None]}, "field 'numbers'"),
        ({"color": "REDD"}, "did you mean 'RED'"),
        ({"by_name": "a", "by_number": 1}, "only one of"),
        ({"part": 1}, "a dict is needed"),
        ({"info": "{"}, "field 'info'"),
        ({"at": "now"}, "a datetime is needed"),
        (object(), "a dict or a message"),
    ],
)
def test_a_row_object_no_message_can_hold_fails_alone(written: Any, reason: str) -> None:
    encoded = codec().encode_rows([{"i32": 1}, written])
    assert [failure.index for failure in encoded.failures] == [1]
    assert reason in str(encoded.failures[0].error)


def test_only_bytes_of_the_same_message_pass_through() -> None:
    assert codec().reads_as(codec())
    assert not codec().reads_as(codec("Flat"))
    assert not codec().reads_as(codec(timestamp_unit="ns"))
    assert codec().extend([b"x"], pa.RecordBatch.from_pydict({"text": ["y"]})) is None


def test_a_message_comes_from_text_or_from_a_descriptor_set(tmp_path: Path) -> None:
    from google.protobuf import descriptor_pb2

    proto = descriptor_pb2.FileDescriptorProto()
    message("Order", PROTO2).DESCRIPTOR.file.CopyToProto(proto)
    data = descriptor_pb2.FileDescriptorSet(file=[proto]).SerializeToString()
    path = tmp_path / "orders.ds"
    path.write_bytes(data)
    for options in (
        {"schema": PROTO2, "message": "old.Order"},
        {"descriptor_set": data, "message": "Order"},
        {"descriptor_set": path, "message": "Order"},
    ):
        assert ProtobufCodec(**options).schema.names == ["id", "note", "packed", "kind"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "needs to know the message"),
        ({"schema": 'syntax = "proto3"; message A { strin x = 1; }'}, '"strin" is not defined'),
        ({"schema": PROTO2}, "choose one by 'message'"),
        ({"schema": PROTO2, "message": "Ordr"}, "did you mean"),
        ({"schema": 3}, "give .proto text"),
        ({"schema": PROTO2, "descriptor_set": b""}, "only one of"),
        ({"descriptor_set": b"\xff"}, "is none"),
        ({"descriptor_set": b""}, "holds no files"),
        ({"descriptor_set": "missing.ds"}, "cannot be read"),
        ({"message_class": 3}, "a class that protoc made"),
        ({"message_class": 3, "message": 4}, "give a name"),
        ({"schema": PROTO2, "timestamp_unit": "mss"}, "did you mean 'ms'"),
        ({"shema": PROTO2}, "did you mean 'schema'"),
        ({"schema": 'syntax = "proto3"; import "other.proto"; message A {}'}, "other.proto"),
    ],
)
def test_options_that_cannot_be_used_are_refused_when_the_codec_is_made(
    options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        ProtobufCodec(**options)


def test_a_schema_that_unfolds_without_end_is_refused() -> None:
    links = "".join(
        f"message M{n} {{ M{n + 1} a = 1; M{n + 1} b = 2; M{n + 1} c = 3; }}" for n in range(20)
    )
    text = f'syntax = "proto3"; {links} message M20 {{ int32 x = 1; }}'
    with pytest.raises(ConfigurationError, match="more than 10000 fields"):
        ProtobufCodec(schema=text, message="M0")


@pytest.mark.parametrize("levels", [100, 2_000])
def test_a_chain_of_messages_deeper_than_parsers_go_is_refused(levels: int) -> None:
    chain = "".join(f"message R{n} {{ R{n + 1} a = 1; }}" for n in range(levels))
    text = f'syntax = "proto3"; {chain} message R{levels} {{ int64 x = 1; }}'
    with pytest.raises(ConfigurationError, match="nested deeper than 100 levels"):
        ProtobufCodec(schema=text, message="R0")


def test_a_message_of_tags_that_begin_groups_in_its_text_is_read() -> None:
    codec = ProtobufCodec(schema='syntax = "proto3"; message Row { string t = 2; }')
    value = b"\x12\xd0\x0f" + b"\x1b" * 2_000
    for count in (1, 300):
        decoded = codec.decode([value] * count)
        assert not decoded.failures
        assert decoded.columns.column("t").to_pylist() == ["\x1b" * 2_000] * count


@pytest.mark.parametrize("count", [1, 300])
def test_unknown_groups_within_one_another_cost_their_record_alone(count: int) -> None:
    codec = ProtobufCodec(schema='syntax = "proto3"; message Row { int64 id = 1; }')
    bomb = b"\x1b" * 1_000_000
    decoded = codec.decode([*[b"\x08\x01"] * count, bomb, b"\x08\x02"])
    assert [failure.index for failure in decoded.failures] == [count]
    assert decoded.columns.column("id").to_pylist() == [*[1] * count, 2]
