"""The codec against the reference library, on random documents and on random bytes."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sabot.codecs import MsgpackCodec
from sabot.codecs.documents.inference import widen
from sabot.errors import DecodeError

pytestmark = pytest.mark.slow

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
KEYS = st.sampled_from(["a", "b", "class", "", "_x", 'q"', "ü"]) | TEXT
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=4)
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
        "v": st.none() | st.binary(max_size=3),
        "n": st.none()
        | st.fixed_dictionaries(
            {}, optional={"p": st.integers(0, 9), "q": st.lists(st.floats(0, 1))}
        ),
        "l": st.lists(st.none() | st.fixed_dictionaries({"k": st.booleans()}), max_size=2),
    },
)
GOOD = [msgpack.packb({"id": 1, "t": "a"}), msgpack.packb({"id": 2, "t": "b"})]


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


def library_reads(value: bytes) -> bool:
    """Whether the reference library reads a map with text keys, to any depth."""
    try:
        return isinstance(msgpack.unpackb(value), dict)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, OverflowError):
        return False


@settings(max_examples=200, deadline=None)
@given(st.lists(DOCUMENTS | SIMPLE, max_size=6))
def test_columns_say_what_the_library_says(documents: list[Any]) -> None:
    codec = MsgpackCodec()
    decoded = codec.decode([msgpack.packb(document) for document in documents])
    kind, refused = judge(documents)
    assert [failure.index for failure in decoded.failures] == refused
    good = [one for index, one in enumerate(documents) if index not in refused]
    assert decoded.columns.to_pylist() == [filled(kind, one) for one in good]
    assert list(codec.schema) == list(kind)


@settings(max_examples=150, deadline=None)
@given(st.lists(DOCUMENTS | SIMPLE, max_size=6))
def test_what_is_written_is_read_by_the_library_and_by_the_codec(documents: list[Any]) -> None:
    codec = MsgpackCodec()
    columns = codec.decode([msgpack.packb(document) for document in documents]).columns
    encoded = codec.encode(columns)
    assert not encoded.failures
    assert [msgpack.unpackb(value or b"") for value in encoded.values] == columns.to_pylist()
    again = MsgpackCodec(schema=codec.schema).decode(encoded.values)
    assert not again.failures
    assert again.columns == columns


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, max_size=5))
def test_rows_are_what_the_library_makes_of_them(values: list[Any]) -> None:
    codec = MsgpackCodec()
    decoded = codec.decode_rows([msgpack.packb(value) for value in values])
    assert not decoded.failures
    assert repr(decoded.rows) == repr(values)
    written = codec.encode_rows(values).values
    assert [None if each is None else msgpack.unpackb(each) for each in written] == values


@settings(max_examples=150, deadline=None)
@given(
    st.lists(SIMPLE.map(msgpack.packb) | st.binary(max_size=8) | st.none(), max_size=12), st.data()
)
def test_neither_the_cut_of_batches_nor_bad_records_change_the_others(
    values: list[bytes | None], data: st.DataObject
) -> None:
    whole, single, cut = MsgpackCodec(), MsgpackCodec(), MsgpackCodec()
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


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
@example(b"\x81\xa2id\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00")
def test_random_bytes_fail_alone_or_are_what_the_library_reads(value: bytes) -> None:
    codec = MsgpackCodec()
    decoded = codec.decode([GOOD[0], value, GOOD[1]])
    assert [failure.index for failure in decoded.failures] in ([], [1])
    ids = decoded.columns.column("id").to_pylist()
    assert (ids[0], ids[-1]) == (1, 2)
    assert decoded.columns.num_rows == 3 - len(decoded.failures)
    if not decoded.failures:
        assert library_reads(value)


@settings(max_examples=50, deadline=None)
@given(SIMPLE)
def test_a_record_cut_short_anywhere_is_refused(document: dict[str, Any]) -> None:
    value = msgpack.packb(document)
    cuts = [value[:size] for size in range(len(value))]
    mixed = [part for cut in cuts for part in (GOOD[0], cut)]
    decoded = MsgpackCodec().decode(mixed)
    assert [failure.index for failure in decoded.failures] == list(range(1, len(mixed), 2))
    assert decoded.columns.column("id").to_pylist() == [1] * len(cuts) if cuts else True


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(DOCUMENTS, SCALARS), min_size=1, max_size=5))
def test_extended_bytes_parse_to_the_original_with_the_added_members(rows: list[Any]) -> None:
    values = [msgpack.packb(document) for document, _ in rows]
    texts = [repr(extra) for _, extra in rows]
    added = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], names=['new "one"'])
    encoded = MsgpackCodec().extend(values, added)
    assert encoded is not None
    assert [msgpack.unpackb(value or b"") for value in encoded.values] == [
        {**document, 'new "one"': text} for (document, _), text in zip(rows, texts, strict=True)
    ]


@settings(max_examples=50, deadline=None)
@given(st.floats())
def test_a_double_keeps_its_bits(value: float) -> None:
    (read,) = MsgpackCodec().decode([msgpack.packb({"x": value})]).columns.column("x").to_pylist()
    assert math.isnan(read) if math.isnan(value) else (read, str(read)) == (value, str(value))
