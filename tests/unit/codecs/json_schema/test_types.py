from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs.json_schema.references import References
from sabot.codecs.json_schema.types import column_types, inferable

POINT = {"type": "object", "properties": {"x": {"type": "number"}}}
POINT_TYPE = pa.struct([("x", pa.float64())])
INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (INTEGER, pa.int64()),
        ({"type": "number"}, pa.float64()),
        ({"type": ["integer", "number"]}, pa.float64()),
        ({"type": "boolean"}, pa.bool_()),
        ({"type": "string", "format": "date-time"}, pa.string()),
        ({"type": ["null", "string"]}, pa.string()),
        ({"type": "null"}, pa.null()),
        ({"type": ["string", "integer"]}, None),
        (POINT, POINT_TYPE),
        ({"properties": {"x": {"type": "number"}}}, POINT_TYPE),
        ({"properties": {"x": {}}}, pa.struct([("x", pa.null())])),
        ({"type": "object"}, None),
        ({"type": "object", "additionalProperties": INTEGER}, pa.map_(pa.string(), pa.int64())),
        ({"type": "array", "items": INTEGER}, pa.list_(pa.int64())),
        ({"type": "array"}, None),
        ({"enum": ["a", "b", None]}, pa.string()),
        ({"enum": [1, "b"]}, None),
        ({"const": True}, pa.bool_()),
        ({"$ref": "#/$defs/point"}, POINT_TYPE),
        ({"$ref": "#/$defs/a~1b"}, pa.int64()),
        ({"$ref": "#/$defs/list/1"}, pa.int64()),
        ({"$ref": "#/nowhere"}, None),
        ({"$ref": "other.json#/$defs/n"}, pa.int64()),
        ({"$ref": "missing.json"}, None),
        ({"oneOf": [{"type": "null"}, INTEGER]}, pa.int64()),
        ({"anyOf": [{"$ref": "#/$defs/point"}, {"type": "null"}]}, POINT_TYPE),
        ({"oneOf": [INTEGER, {"type": "string"}]}, None),
        ({"anyOf": [{"minimum": 1}, {"type": "null"}]}, None),
        ({"allOf": [{"type": "integer"}, {"minimum": 3}]}, pa.int64()),
        (
            {"allOf": [POINT, {"properties": {"y": INTEGER}}]},
            pa.struct([("x", pa.float64()), ("y", pa.int64())]),
        ),
        ({"allOf": [INTEGER, {"type": "string"}]}, None),
        ({"$ref": "#/$defs/tree"}, pa.struct([("kids", pa.null()), ("n", pa.int64())])),
        (True, None),
    ],
)
def test_a_schema_tells_a_type(schema: Any, kind: pa.DataType | None) -> None:
    root = {
        "properties": {"it": schema},
        "$defs": {
            "point": POINT,
            "a/b": INTEGER,
            "list": [POINT, INTEGER],
            "tree": {
                "properties": {
                    "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                    "n": INTEGER,
                }
            },
        },
    }
    references = References(
        root, {"other.json": {"$defs": {"n": {"$ref": "#/$defs/m"}, "m": INTEGER}}}
    )
    expected = pa.struct([("it", pa.null() if kind is None else kind)])
    assert column_types(root, references) == expected


def test_inference_begins_without_maps() -> None:
    kind = pa.struct([("m", pa.list_(pa.map_(pa.string(), pa.int64()))), ("n", pa.int64())])
    assert inferable(kind) == pa.struct([("m", pa.list_(pa.null())), ("n", pa.int64())])


def test_a_schema_that_unfolds_without_end_tells_no_types() -> None:
    schema: dict[str, Any] = {"type": "integer"}
    definitions = {"m20": schema} | {
        f"m{n}": {"properties": {k: {"$ref": f"#/$defs/m{n + 1}"} for k in "abc"}}
        for n in range(20)
    }
    root = {"$ref": "#/$defs/m0", "$defs": definitions}
    assert column_types(root, References(root, {})) is None
