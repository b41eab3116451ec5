from __future__ import annotations

import json

import pyruhvro
import pytest

from sabot.codecs.avro.schema import parse
from sabot.codecs.avro.wire import ColumnWire, RowWire, _unpanicked, wire_of
from sabot.errors import CodecError


def of(*types: object) -> dict[str, object]:
    fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(types)]
    return {"type": "record", "name": "R", "fields": fields}


NULLS = {"type": "record", "name": "N", "fields": [{"name": "x", "type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (of("int", "null", ["null", "string"], ["null", "int", "string"]), ColumnWire),
        (of({"type": "array", "items": {"type": "map", "values": "bytes"}}), ColumnWire),
        (of({"type": "fixed", "name": "F", "size": 4}), RowWire),
        (of({"type": "array", "items": {"type": "fixed", "name": "F", "size": 4}}), RowWire),
        (of(NULLS), RowWire),
        (of(["null", NULLS]), RowWire),
        (of({"type": "map", "values": "null"}), RowWire),
        (of(), RowWire),
    ],
    ids=str,
)
def test_records_are_taken_one_by_one_only_where_columns_cannot_be_had(
    schema: dict[str, object], kind: type
) -> None:
    assert isinstance(wire_of(parse(schema).record), kind)


def test_a_schema_without_fields_has_rows_all_the_same() -> None:
    wire = wire_of(parse(of()).record)
    assert wire.decode([b"", b""], 0) == []


def test_what_the_decoder_panics_about_is_an_error_like_others(
    capfd: pytest.CaptureFixture[str],
) -> None:
    schema = json.dumps(of({"type": "fixed", "name": "F", "size": 1}))
    with pytest.raises(CodecError, match="gave up"):
        _unpanicked(pyruhvro.deserialize_array, [b"a"], schema)
    capfd.readouterr()
