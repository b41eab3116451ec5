"""The codecs of documents against the reference libraries, on random documents."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabot.codecs.documents.inference import widen
from sabot.errors import DecodeError
from tests.unit.codecs.documents.values import JSON, MSGPACK, FormatCase

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("form", [JSON, MSGPACK], ids=["json", "msgpack"]),
]


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
@given(data=st.data())
def test_columns_say_what_the_library_says(form: FormatCase, data: st.DataObject) -> None:
    documents = data.draw(st.lists(form.documents | form.simple, max_size=6))
    codec = form.codec()
    decoded = codec.decode([form.dump(document) for document in documents])
    kind, refused = judge(documents)
    assert [failure.index for failure in decoded.failures] == refused
    good = [one for index, one in enumerate(documents) if index not in refused]
    assert decoded.columns.to_pylist() == [filled(kind, one) for one in good]
    assert list(codec.schema) == list(kind)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_by_the_library_and_by_the_codec(
    form: FormatCase, data: st.DataObject
) -> None:
    documents = data.draw(st.lists(form.documents | form.simple, max_size=6))
    codec = form.codec()
    columns = codec.decode([form.dump(document) for document in documents]).columns
    encoded = codec.encode(columns)
    assert not encoded.failures
    assert [form.load(value or b"") for value in encoded.values] == columns.to_pylist()
    again = form.codec(schema=codec.schema).decode(encoded.values)
    assert not again.failures
    assert again.columns == columns


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_rows_are_what_the_library_makes_of_them(form: FormatCase, data: st.DataObject) -> None:
    values = data.draw(st.lists(form.values, max_size=5))
    codec = form.codec()
    decoded = codec.decode_rows([form.dump(value) for value in values])
    assert not decoded.failures
    assert repr(decoded.rows) == repr(values)
    written = codec.encode_rows(values).values
    assert [None if each is None else form.load(each) for each in written] == values


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_neither_the_cut_of_batches_nor_bad_records_change_the_others(
    form: FormatCase, data: st.DataObject
) -> None:
    values = data.draw(st.lists(form.simple.map(form.dump) | form.bad | st.none(), max_size=12))
    whole, single, cut = form.codec(), form.codec(), form.codec()
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
@given(data=st.data())
def test_extended_bytes_are_the_original_with_the_added_members(
    form: FormatCase, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.tuples(form.documents, form.scalars), min_size=1, max_size=5))
    values = [form.dump(document) for document, _ in rows]
    texts = [repr(extra) for _, extra in rows]
    added = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], names=['new "one"'])
    encoded = form.codec().extend(values, added)
    assert encoded is not None
    assert [form.load(value or b"") for value in encoded.values] == [
        {**document, 'new "one"': text} for (document, _), text in zip(rows, texts, strict=True)
    ]
