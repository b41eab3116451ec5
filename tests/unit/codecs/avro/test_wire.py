from __future__ import annotations

import json

import pyruhvro
import pytest

from sabot.codecs import AvroCodec
from sabot.codecs.avro.schema import parse
from sabot.codecs.avro.wire import ColumnWire, RowWire, _unpanicked, wire_of
from sabot.errors import CodecError


def of(*types: object) -> dict[str, object]:
    fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(types)]
    return {"type": "record", "name": "R", "fields": fields}


def fixed(size: int) -> dict[str, object]:
    return {"type": "fixed", "name": "F", "size": size}


NULLS = {"type": "record", "name": "N", "fields": [{"name": "x", "type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (of("int", "null", ["null", "string"], ["null", "int", "string"]), ColumnWire),
        (of({"type": "array", "items": {"type": "map", "values": "bytes"}}), ColumnWire),
        (of(fixed(4)), ColumnWire),
        (of({"type": "array", "items": fixed(20)}), ColumnWire),
        (of(["null", fixed(256)], NULLS, ["null", "N"]), ColumnWire),
        (of({"type": "map", "values": "null"}), ColumnWire),
        (of(), ColumnWire),
        (of(fixed(3)), RowWire),
        (of(["null", fixed(260)]), RowWire),
        (of({"type": "map", "values": ["null", fixed(7)]}), RowWire),
    ],
    ids=str,
)
def test_records_are_taken_one_by_one_only_where_columns_cannot_be_had(
    schema: dict[str, object], kind: type
) -> None:
    assert isinstance(wire_of(parse(schema).record), kind)


def test_a_schema_without_fields_has_rows_all_the_same() -> None:
    wire = wire_of(parse(of()).record)
    assert wire.decode([b"", b"x", b""], 0).good == [0, 2]


def test_what_the_decoder_panics_about_is_an_error_like_others(
    capfd: pytest.CaptureFixture[str],
) -> None:
    schema = json.dumps(of({"type": "fixed", "name": "F", "size": 1}))
    with pytest.raises(CodecError, match="gave up"):
        _unpanicked(pyruhvro.deserialize_array, [b"a"], schema)
    capfd.readouterr()


def test_records_that_cannot_be_read_are_told_from_the_others_by_number() -> None:
    for kind in (fixed(4), fixed(3)):
        wire = wire_of(parse(of("string", kind)).record)
        value = b"\x02a" + bytes(kind["size"])  # type: ignore[call-overload]
        values = [b"", *[value] * 30, b"\x01", value + b"\x00", value, value[:-1]]
        found = wire.decode(values, 0)
        assert list(found.good) == [*range(1, 31), 33]
        assert sorted(number for number, _ in found.bad) == [0, 31, 32, 34]
        assert [len(array) for array in found.arrays] == [31, 31]


def test_a_record_that_fails_as_the_one_behind_a_stretch_does_is_found_all_the_same() -> None:
    wire = wire_of(parse(of(["null", "long"])).record)
    values = [b"\x00", b"\xda\xc4\x9e\x5b", b"\x02\x02"]
    with pytest.raises(ValueError, match="invalid union branch"):
        wire.decode(values, 0)
    codec = AvroCodec(schema=of(["null", "long"]))
    decoded = codec.decode(values)
    assert [failure.index for failure in decoded.failures] == [1]
    assert decoded.columns.to_pylist() == [{"f0": None}, {"f0": 1}]
