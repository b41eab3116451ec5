"""What is JSON's own, on random documents; what it shares with others is in `documents`."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabot.codecs import JsonCodec
from tests.unit.codecs.documents.values import JSON

pytestmark = pytest.mark.slow


@settings(max_examples=100, deadline=None)
@given(st.lists(JSON.documents, max_size=6))
def test_escapes_change_nothing(documents: list[Any]) -> None:
    plain, escaped = JsonCodec(), JsonCodec()
    expected = plain.decode([JSON.dump(document) for document in documents])
    found = escaped.decode([json.dumps(document).encode() for document in documents])
    assert [each.index for each in found.failures] == [each.index for each in expected.failures]
    assert found.columns.equals(expected.columns)
    assert escaped.schema == plain.schema


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(JSON.documents, st.sampled_from([None, 1]), JSON.scalars), min_size=1, max_size=5
    )
)
def test_extended_bytes_parse_however_they_were_laid_out(rows: list[Any]) -> None:
    values = [json.dumps(one, indent=indent).encode() for one, indent, _ in rows]
    texts = [JSON.dump(extra).decode() for *_, extra in rows]
    added = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], names=['new "one"'])
    encoded = JsonCodec().extend(values, added)
    assert encoded is not None
    assert [json.loads(value or b"") for value in encoded.values] == [
        {**document, 'new "one"': text} for (document, *_), text in zip(rows, texts, strict=True)
    ]
