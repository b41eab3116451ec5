"""The codec against the standard library's parser, on random documents."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabot.codecs import JsonCodec
from sabot.codecs.documents.inference import widen
from sabot.errors import DecodeError

pytestmark = pytest.mark.slow

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
KEYS = st.sampled_from(["a", "b", "class", "", "_x", 'q"', "ü"]) | TEXT
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)
# Fields of few types, so that most documents agree.
SIMPLE = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(-(2**63), 2**63 - 1),
        "x": st.none() | st.integers(-5, 5) | st.floats(-5, 5),
        "t": st.none() | TEXT,
        "n": st.none()
        | st.fixed_dictionaries(
            {}, optional={"p": st.integers(0, 9), "q": st.lists(st.floats(0, 1))}
        ),
        "l": st.lists(st.none() | st.fixed_dictionaries({"k": st.booleans()}), max_size=2),
    },
)
BAD = st.sampled_from([b"", b"[]", b"{", b'{"id":"x"}', b'{"t":1}', b'{"n":[]}', b'{"id":NaN}'])


def dump(document: Any, ascii_only: bool = False) -> bytes:
    return json.dumps(document, ensure_ascii=ascii_only).encode()


def filled(kind: pa.DataType, value: Any) -> Any:
    """Return the value as a column of that type holds it, nulls for what is missing."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: filled(field.type, value.get(field.name)) for field in kind}
    if pa.types.is_list(kind):
        return [filled(kind.value_type, item) for item in value]
    return float(value) if pa.types.is_floating(kind) else value


def judge(documents: list[Any]) -> tuple[pa.DataType, list[int]]:
    """Widen a type by each document; return it and the numbers of those it refuses."""
    kind, refused = pa.struct([]), []
    for index, document in enumerate(documents):
        try:
            kind = widen(kind, document)
        except DecodeError:
            refused.append(index)
    return kind, refused


@settings(max_examples=200, deadline=None)
@given(st.lists(DOCUMENTS | SIMPLE, max_size=6), st.booleans())
def test_columns_say_what_the_standard_parser_says(documents: list[Any], ascii_only: bool) -> None:
    codec = JsonCodec()
    decoded = codec.decode([dump(document, ascii_only) for document in documents])
    kind, refused = judge(documents)
    assert [failure.index for failure in decoded.failures] == refused
    good = [one for index, one in enumerate(documents) if index not in refused]
    assert decoded.columns.to_pylist() == [filled(kind, one) for one in good]
    assert list(codec.schema) == list(kind)


@settings(max_examples=150, deadline=None)
@given(st.lists(DOCUMENTS | SIMPLE, max_size=6))
def test_what_is_written_parses_to_what_the_columns_hold(documents: list[Any]) -> None:
    codec = JsonCodec()
    columns = codec.decode([dump(document) for document in documents]).columns
    encoded = codec.encode(columns)
    assert not encoded.failures
    assert [json.loads(line or b"") for line in encoded.values] == columns.to_pylist()
    again = JsonCodec(schema=codec.schema).decode(encoded.values)
    assert not again.failures
    assert again.columns == columns


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, max_size=5))
def test_rows_are_what_the_standard_parser_makes_of_them(values: list[Any]) -> None:
    codec = JsonCodec()
    decoded = codec.decode_rows([dump(value) for value in values])
    assert not decoded.failures
    assert repr(decoded.rows) == repr(values)
    written = codec.encode_rows(values).values
    assert [None if line is None else json.loads(line) for line in written] == values


@settings(max_examples=150, deadline=None)
@given(st.lists(SIMPLE.map(dump) | BAD | st.none(), max_size=12), st.data())
def test_neither_the_cut_of_batches_nor_bad_records_change_the_others(
    values: list[bytes | None], data: st.DataObject
) -> None:
    whole, single, cut = JsonCodec(), JsonCodec(), JsonCodec()
    at_once = whole.decode(values)
    one_by_one = [single.decode([value]) for value in values]
    edges = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    in_cuts = [
        cut.decode(values[start:end])
        for start, end in zip([0, *edges], [*edges, len(values)], strict=True)
    ]
    assert whole.schema == single.schema == cut.schema
    refused = [failure.index for failure in at_once.failures]
    assert refused == [index for index, one in enumerate(one_by_one) if one.failures]
    for parts in (one_by_one, in_cuts):
        rows = [row for part in parts for row in part.columns.to_pylist()]
        kind = pa.struct(list(whole.schema))
        assert [filled(kind, row) for row in rows] == at_once.columns.to_pylist()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(DOCUMENTS, st.sampled_from([None, 1]), SCALARS), min_size=1, max_size=5))
def test_extended_bytes_parse_to_the_original_with_the_added_members(rows: list[Any]) -> None:
    values = [json.dumps(one, indent=indent).encode() for one, indent, _ in rows]
    texts = [dump(extra).decode() for *_, extra in rows]
    added = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], names=['new "one"'])
    encoded = JsonCodec().extend(values, added)
    assert encoded is not None
    assert [json.loads(value or b"") for value in encoded.values] == [
        {**document, 'new "one"': text} for (document, *_), text in zip(rows, texts, strict=True)
    ]
