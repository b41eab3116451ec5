from __future__ import annotations

import pyarrow as pa
import pytest

from sabot.codecs.documents.untold import UntoldMemory, together, untold
from tests.unit.codecs.documents.notebook import Notebook

INT, DOUBLE, TEXT, NULL = pa.int64(), pa.float64(), pa.string(), pa.null()


@pytest.mark.parametrize(
    ("kind", "told", "rest"),
    [
        (INT, INT, None),
        (INT, NULL, INT),
        (NULL, NULL, None),
        (NULL, TEXT, None),
        (DOUBLE, INT, DOUBLE),
        (pa.struct({"x": INT, "y": TEXT}), pa.struct({"x": INT}), pa.struct({"y": TEXT})),
        (pa.struct({"x": INT}), pa.struct({"x": INT, "z": INT}), None),
        (pa.list_(INT), pa.list_(INT), None),
        (
            pa.list_(pa.struct({"x": INT, "y": TEXT})),
            pa.list_(pa.struct({"x": INT})),
            pa.list_(pa.struct({"y": TEXT})),
        ),
    ],
)
def test_what_is_told_and_the_rest_make_the_whole(
    kind: pa.DataType, told: pa.DataType, rest: pa.DataType | None
) -> None:
    whole, said = pa.schema({"id": TEXT, "a": kind}), pa.schema({"id": TEXT, "a": told})
    found = untold(whole, said)
    assert found == (pa.schema([]) if rest is None else pa.schema({"a": rest}))
    again = together(said, found)
    assert untold(again, said) == found
    assert together(again, whole) == again


def test_fields_that_are_not_told_stay_in_their_order_behind_those_that_are() -> None:
    told = pa.schema({"b": INT, "a": NULL})
    memory = UntoldMemory(Notebook(pa.schema({"d": INT, "a": TEXT, "c": INT})), told)
    assert memory.known() == pa.schema({"b": INT, "a": TEXT, "d": INT, "c": INT})


def test_a_type_that_is_told_holds_whatever_was_inferred_before() -> None:
    notebook = Notebook(pa.schema({"a": INT, "b": INT, "c": pa.struct({"x": INT})}))
    told = pa.schema({"a": TEXT, "b": DOUBLE, "c": pa.list_(INT)})
    memory = UntoldMemory(notebook, told)
    assert memory.known() == told
    wider = memory.widened(pa.schema({**dict(zip(told.names, told.types, strict=True)), "d": INT}))
    assert wider.names == ["a", "b", "c", "d"]
    assert wider.types[:3] == told.types
    assert notebook.told == [pa.schema({"d": INT})]
