from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from sabot.codecs import AvroCodec
from sabot.codecs.avro.deriving import derived_schema
from sabot.errors import SchemaMismatchError

NOW = dt.datetime(2024, 1, 2, 3, 4, 5, 6000, dt.UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([True, None]),
        pa.array([1, None], pa.int32()),
        pa.array([1, None], pa.int64()),
        pa.array([1.5, None], pa.float32()),
        pa.array([1.5, None]),
        pa.array(["a", None]),
        pa.array([b"\xff", None]),
        pa.array([b"ab", None], pa.binary(2)),
        pa.array([NOW.date(), None]),
        pa.array([NOW.time(), None], pa.time32("ms")),
        pa.array([NOW.time(), None], pa.time64("us")),
        pa.array([NOW, None], pa.timestamp("ms")),
        pa.array([NOW, None], pa.timestamp("us", "UTC")),
        pa.array([Decimal("-1.50"), None], pa.decimal128(20, 2)),
        pa.array([Decimal("1.50"), None], pa.decimal256(60, 2)),
        pa.array([[1, None], None, []]),
        pa.array([[], None], pa.list_(pa.string())),
        pa.array([[("k", 1), ("l", None)], None], pa.map_(pa.string(), pa.int64())),
        pa.array([{"x": 1, "y": {"z": "a"}}, None, {"x": None, "y": None}]),
        pa.array([[{"x": [1]}], None]),
    ],
    ids=lambda column: str(column.type),
)
def test_columns_come_back_as_they_were(column: pa.Array) -> None:
    batch = pa.RecordBatch.from_arrays([column], names=["f"])
    codec = AvroCodec(schema=derived_schema(batch.schema, "R"))
    encoded = codec.encode(batch)
    assert not encoded.failures
    back = codec.decode(encoded.values).columns
    assert back.to_pylist() == batch.to_pylist()
    assert back.schema.field("f").type == column.type


@pytest.mark.parametrize(
    ("field", "part"),
    [
        (pa.field("a-b", pa.int64()), "rename it to 'a_b'"),
        (pa.field("s", pa.struct([("1", pa.int64())])), "rename it to '_1'"),
        (pa.field("m", pa.map_(pa.int64(), pa.int64())), "which Avro does not have"),
    ],
    ids=str,
)
def test_what_avro_has_no_name_or_type_for_is_refused(field: pa.Field, part: str) -> None:
    with pytest.raises(SchemaMismatchError, match=part):
        derived_schema(pa.schema([field]), "R")
