from __future__ import annotations

import json
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabot.codecs import JsonSchemaCodec
from sabot.codecs.document_codec import DocumentCodec
from sabot.codecs.memory import LearningCodec
from sabot.errors import ConfigurationError, DecodeError, EncodeError
from sabot.types import Stem
from tests.unit.codecs.documents.notebook import Notebook

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "name": {"type": "string", "pattern": "^[a-z]*$", "format": "email"},
        "note": {"type": ["string", "null"]},
        "at": {"$ref": "#/definitions/place"},
        "tags": {"type": "array", "items": {"enum": ["x", "y"]}, "maxItems": 2},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "definitions": {"place": {"type": "object", "properties": {"x": {"type": "number"}}}},
}
OPEN = {"properties": {"id": {"type": "integer"}, "any": {}}}


def codec(schema: Any = SCHEMA, **options: Any) -> JsonSchemaCodec:
    return JsonSchemaCodec(schema=schema, **options)


def refusal(value: bytes, schema: Any = SCHEMA) -> str:
    decoded = codec(schema).decode([b'{"id":1}', value, b'{"id":2}'])
    assert [failure.index for failure in decoded.failures] == [1]
    assert decoded.columns.column("id").to_pylist() == [1, 2]
    return str(decoded.failures[0].error)


def test_a_valid_object_is_a_row_of_the_types_the_schema_tells() -> None:
    value = b'{"id":1,"name":"a","at":{"x":1},"tags":["y"],"counts":{"k":2}}'
    columns = codec().decode([value]).columns
    assert columns.schema == pa.schema(
        [
            ("id", pa.int64()),
            ("name", pa.string()),
            ("note", pa.string()),
            ("at", pa.struct([("x", pa.float64())])),
            ("tags", pa.list_(pa.string())),
            ("counts", pa.map_(pa.string(), pa.int64())),
        ]
    )
    assert columns.to_pylist() == [
        {
            "id": 1,
            "name": "a",
            "note": None,
            "at": {"x": 1.0},
            "tags": ["y"],
            "counts": [("k", 2)],
        }
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"id":0}', "field 'id' is not valid: 0 is less than the minimum of 1"),
        (b"{}", '"id" is a required property'),
        (b'{"id":1,"name":"A"}', "does not match"),
        (b'{"id":1,"at":{"x":"1"}}', "field 'at.x'"),
        (b'{"id":1,"tags":["x","z"]}', "field 'tags.1'"),
        (b'{"id":1,"name":null}', "field 'name'"),
        (b"[1]", "the value is not valid"),
        (b"", "not valid JSON"),
        (b'{"id":1', "not valid JSON"),
        (b'{"id":NaN}', "not valid JSON"),
        (b'{"id":1,"z":"\xff"}', "UTF-8"),
        (b'{"id":1.0}', "got `float`"),
        (b'{"id":18446744073709551616}', ""),
    ],
)
def test_what_is_not_valid_is_refused_with_field_and_rule(value: bytes, reason: str) -> None:
    assert reason in refusal(value)


def test_an_integer_beyond_64_bits_is_taken_as_a_row() -> None:
    assert codec().decode_rows([b'{"id":18446744073709551616}']).rows == [{"id": 2**64}]


def test_a_format_is_a_remark() -> None:
    assert not codec().decode([b'{"id":1,"name":"nomail"}']).failures


def test_a_field_the_schema_does_not_name_is_ignored_where_all_types_are_told() -> None:
    assert "extra" not in codec().decode([b'{"id":1,"extra":2}']).columns.schema.names


def test_types_the_schema_does_not_tell_are_inferred() -> None:
    reader = codec(OPEN)
    decoded = reader.decode([b'{"any":[1]}', b'{"id":2,"more":"x"}', b'{"id":"x"}'])
    assert [failure.index for failure in decoded.failures] == [2]
    assert decoded.columns.schema == pa.schema(
        [("id", pa.int64()), ("any", pa.list_(pa.int64())), ("more", pa.string())]
    )
    assert reader.decode([b'{"any":["x"]}']).failures


def learning(memory: Notebook, schema: Any = OPEN) -> JsonSchemaCodec:
    made = codec(schema)
    assert isinstance(made, LearningCodec)
    made.remember(memory)
    return made


def test_what_is_inferred_is_remembered_and_what_is_told_is_not() -> None:
    memory = Notebook()
    learning(memory).decode([b'{"id":1,"any":1}', b'{"id":2,"more":"x"}'])
    assert memory.schema == pa.schema({"any": pa.int64(), "more": pa.string()})
    decoded = learning(memory).decode([b'{"id":1,"any":"x"}', b'{"id":2,"any":2.5}'])
    assert [failure.index for failure in decoded.failures] == [0]
    assert decoded.columns.to_pylist() == [{"id": 2, "any": 2.5, "more": None}]


def test_a_type_that_a_new_schema_tells_holds_at_once() -> None:
    memory = Notebook()
    learning(memory).decode([b'{"id":1,"any":1,"more":1}'])
    told = {"properties": {"id": {"type": "integer"}, "any": {"type": "string"}, "new": {}}}
    decoded = learning(memory, told).decode([b'{"id":1,"any":"x"}', b'{"any":"y","more":"no"}'])
    assert decoded.columns.to_pylist() == [{"id": 1, "any": "x", "new": None, "more": None}]
    assert [failure.index for failure in decoded.failures] == [1]


def test_a_schema_that_tells_all_types_asks_no_memory() -> None:
    memory = Notebook(pa.schema({"id": pa.string(), "x": pa.int64()}))
    decoded = learning(memory, SCHEMA).decode([b'{"id":1,"x":1}'])
    assert decoded.columns.schema == codec().schema
    assert memory.told == []


def test_a_missing_field_stays_missing_and_a_null_stays_null() -> None:
    columns = pa.RecordBatch.from_pylist([{"id": 1, "note": None}] * 3)
    stems = {"note": Stem("note", changed=False)}
    made = codec()
    assert isinstance(made, DocumentCodec)
    documents = [{"id": 1}, {"id": 1, "note": None}, None]
    assert made.encode_found(columns, documents, stems).values == [
        b'{"id":1}',
        b'{"id":1,"note":null}',
        b'{"id":1}',
    ]


def test_a_null_is_written_where_a_row_is_not_valid_without_it() -> None:
    schema = {
        "required": ["note"],
        "properties": {"id": {"type": "integer"}, "note": {"type": ["string", "null"]}},
    }
    columns = pa.RecordBatch.from_pylist(
        [{"id": 1, "note": None}, {"id": None, "note": "x"}, {"id": 3, "note": "y"}]
    )
    columns = columns.set_column(0, "id", pa.array([1.0, 2.5, 3.0]))
    stems = {"note": Stem("text", changed=False)}
    encoded = codec(schema).encode_found(columns, [{}, {}, {}], stems)
    assert encoded.values == [b'{"id":1.0,"note":null}', b'{"id":3.0,"note":"y"}']
    assert [failure.index for failure in encoded.failures] == [1]


def test_what_is_inferred_is_bounded() -> None:
    many = json.dumps({f"f{number}": 1 for number in range(50)}).encode()
    assert "max_columns" in str(codec(OPEN, max_columns=20).decode([many]).failures[0].error)


def test_a_valid_value_that_is_no_object_is_taken_as_a_row_only() -> None:
    reader = codec({"type": ["integer", "array"]})
    assert reader.decode_rows([b"1", b"[]", b'"x"']).rows == [1, []]
    assert len(reader.decode([b"1"]).failures) == 1


def test_nesting_deeper_than_200_levels_is_refused() -> None:
    for depth in (201, 100_000):
        nested = b'{"id":1,"z":' + b"[" * depth + b"]" * depth + b"}"
        assert "nested deeper than 200" in refusal(nested)
    flat = b'{"id":1,"z":[' + b"[]," * 500 + b'"[[{{\\"[["]}'
    assert not codec().decode([flat]).failures


def test_a_null_is_left_out_where_the_schema_allows_none() -> None:
    rows = [b'{"id":1}', b'{"id":2,"name":"b","note":null,"at":{}}']
    writer = codec()
    encoded = writer.encode(writer.decode(rows).columns)
    assert encoded.values == [
        b'{"id":1,"note":null}',
        b'{"id":2,"name":"b","note":null,"at":{}}',
    ]


def test_a_key_that_needs_an_escape_is_left_out_too() -> None:
    schema = {"properties": {'say "hi"': {"type": "string"}, "n": {"type": "integer"}}}
    writer = codec(schema)
    assert writer.encode(writer.decode([b'{"n":1}']).columns).values == [b'{"n":1}']


def test_a_row_that_is_not_valid_fails_alone() -> None:
    columns = pa.RecordBatch.from_pydict({"id": [1, 0, None, 2], "name": ["a", "b", "c", "D"]})
    encoded = codec().encode(columns)
    assert encoded.values == [b'{"id":1,"name":"a"}']
    assert [failure.index for failure in encoded.failures] == [1, 2, 3]
    assert all(isinstance(failure.error, EncodeError) for failure in encoded.failures)
    rows = codec().encode_rows([{"id": 1}, {"id": "x"}, None, {1, 2}, {"id": object()}])
    assert rows.values == [b'{"id":1}', None]
    assert [failure.index for failure in rows.failures] == [1, 3, 4]


def test_what_is_added_is_checked() -> None:
    added = pa.RecordBatch.from_pydict({"name": ["a", "B", "c"]})
    extended = codec().extend([b'{"id":1}', b'{"id":2}', None], added)
    assert extended is not None
    assert extended.values == [b'{"id":1,"name":"a"}']
    assert [failure.index for failure in extended.failures] == [1, 2]


def test_only_bytes_of_the_same_schema_pass_through() -> None:
    assert codec().reads_as(codec())
    assert codec().reads_as(codec(json.dumps(SCHEMA)))
    assert not codec().reads_as(codec(OPEN))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "needs a schema"),
        ({"schema": 3}, "a dict or JSON text"),
        ({"schema": "{"}, "is no JSON"),
        ({"schema": "3"}, "must be an object"),
        ({"schema": {"type": "strin"}}, "cannot be used"),
        ({"schema": {"pattern": "("}}, "cannot be used"),
        ({"schema": {"$ref": "http://127.0.0.1:9/other.json"}}, "other.json"),
        ({"schema": {}, "max_columns": 0}, "at least 1"),
        ({"schema": {}, "subjct": "x"}, "did you mean 'subject'"),
        ({"schema": {}, "subject": "x"}, "schema_registry_url"),
    ],
)
def test_options_that_cannot_be_used_are_refused_when_the_codec_is_made(
    options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        JsonSchemaCodec(**options)


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, True, {}])
def test_a_schema_that_says_nothing_lets_everything_pass(schema: Any) -> None:
    decoded = codec(json.dumps(schema)).decode([b'{"a":1}', b'{"b":"x"}'])
    assert decoded.columns.to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": "x"}]


def test_a_record_cut_off_at_any_byte_fails_alone() -> None:
    value = b'{"id":1,"name":"a","at":{"x":1},"tags":["y"],"counts":{"k":2}}'
    for end in range(len(value)):
        refusal(value[:end])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "at", "x", "tags", "counts"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(document=JSON)
def test_the_referee_agrees_on_every_document(document: Any) -> None:
    value = json.dumps(document).encode()
    decoded = codec().decode_rows([b'{"id":1}', value])
    valid = jsonschema.Draft7Validator(SCHEMA).is_valid(document)
    assert (not decoded.failures) == valid


@settings(max_examples=150)
@given(value=st.binary(max_size=40) | JSON.map(lambda each: json.dumps(each).encode()))
def test_any_bytes_leave_their_neighbours_intact(value: bytes) -> None:
    reader = codec()
    decoded = reader.decode([b'{"id":1}', value, b'{"id":2}'])
    decoded.columns.validate(full=True)
    ids = decoded.columns.column("id").to_pylist()
    assert (ids[0], ids[-1]) == (1, 2)
    assert len(ids) + len(decoded.failures) == 3
    assert all(isinstance(failure.error, DecodeError) for failure in decoded.failures)
    assert not reader.encode(decoded.columns).failures
