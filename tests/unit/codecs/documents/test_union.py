from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.codecs.documents.inference import widen
from sabot.codecs.documents.union import union, union_types
from sabot.errors import DecodeError, SchemaMismatchError

NULL, INT, DOUBLE, TEXT = pa.null(), pa.int64(), pa.float64(), pa.string()


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (NULL, TEXT, TEXT),
        (TEXT, NULL, TEXT),
        (INT, DOUBLE, DOUBLE),
        (DOUBLE, INT, DOUBLE),
        (pa.list_(NULL), pa.list_(INT), pa.list_(INT)),
        (pa.struct({"a": INT}), pa.struct({"b": TEXT}), pa.struct({"a": INT, "b": TEXT})),
        (
            pa.struct({"a": pa.list_(pa.struct({"b": INT}))}),
            pa.struct({"a": pa.list_(pa.struct({"b": DOUBLE}))}),
            pa.struct({"a": pa.list_(pa.struct({"b": DOUBLE}))}),
        ),
    ],
)
def test_types_widen_to_what_holds_both(first: Any, second: Any, both: Any) -> None:
    assert union_types(first, second) == both


@pytest.mark.parametrize(
    ("first", "second"),
    [(INT, TEXT), (pa.bool_(), INT), (TEXT, pa.list_(TEXT)), (pa.struct({"a": INT}), TEXT)],
)
def test_types_that_do_not_go_together_are_named(first: Any, second: Any) -> None:
    schemas = [pa.schema({"o": pa.struct({"x": pa.list_(kind)})}) for kind in (first, second)]
    with pytest.raises(SchemaMismatchError, match=r"field 'o.x\[\]' is "):
        union(*schemas)


documents = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.none() | st.integers(-9, 9) | st.floats(-9, 9) | st.booleans() | st.just("x"),
        lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from("ab"), each),
        max_leaves=4,
    ),
)


@given(documents, documents)
def test_two_who_widen_apart_agree_with_one_who_saw_both(first: Any, second: Any) -> None:
    try:
        apart = [pa.schema(list(widen(NULL, {**one}))) for one in (first, second)]
    except DecodeError:
        return
    try:
        together = widen(widen(NULL, first), second)
    except DecodeError:
        with pytest.raises(SchemaMismatchError):
            union(*apart)
        return
    assert union(*apart) == pa.schema(list(together))
