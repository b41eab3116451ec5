from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.columns import BatchView, Column
from sabot.columns.batch import MissingColumnError
from sabot.errors import ColumnNotFoundError, SchemaMismatchError
from tests.batches import batch_of

BATCH = batch_of({"id": [1, 2, 3, 4], "amount": [5.0, None, 20.0, 1.0], "t": ["b", "a", "d", "c"]})
ALL = {"id", "amount", "t"}


def view() -> BatchView:
    return BatchView(BATCH, step="map-1")


@pytest.mark.parametrize(
    ("change", "ids", "intact"),
    [
        (lambda b: b.filter(b["amount"] > 2), [1, 3], ALL),
        (lambda b: b.filter(pc.field("amount") > 2), [1, 3], ALL),
        (lambda b: b.filter([True, None, False, True]), [1, 4], ALL),
        (lambda b: b.filter(pa.nulls(4)), [], ALL),
        (lambda b: b.take([3, 3, 0]), [4, 4, 1], ALL),
        (lambda b: b.take(b["id"].cast(pa.int64()) - 1), [1, 2, 3, 4], ALL),
        (lambda b: b.sort_by("t"), [2, 1, 4, 3], ALL),
        (lambda b: b.sort_by([("t", "descending")]), [3, 4, 1, 2], ALL),
        (lambda b: b.slice(1, 2), [2, 3], ALL),
        (lambda b: b.slice(2), [3, 4], ALL),
        (lambda b: b[1:3], [2, 3], ALL),
        (lambda b: b[::-1], [4, 3, 2, 1], ALL),
        (lambda b: b[-2:].filter(b[-2:]["t"] == "c"), [4], ALL),
        (lambda b: b.drop_null(), [1, 3, 4], ALL),
        (lambda b: b.append_column("new", 1), [1, 2, 3, 4], ALL),
        (lambda b: b.add_column(0, "new", b["id"]), [1, 2, 3, 4], ALL),
        (lambda b: b.set_column(1, "amount", b["amount"] * 2), [1, 2, 3, 4], {"id", "t"}),
        (lambda b: b.set_column(1, "other", 0), [1, 2, 3, 4], {"id", "t"}),
        (lambda b: b.remove_column(1), [1, 2, 3, 4], {"id", "t"}),
        (lambda b: b.drop_columns(["t"]), [1, 2, 3, 4], {"id", "amount"}),
        (lambda b: b.select(["t", "id"]), [1, 2, 3, 4], {"id", "t"}),
        (lambda b: b.rename_columns({"t": "kind"}), [1, 2, 3, 4], {"id", "amount"}),
        (lambda b: b.rename_columns(["id", "t", "amount"]), [1, 2, 3, 4], {"id"}),
        (
            lambda b: b.cast(
                pa.schema([("id", pa.int64()), ("amount", pa.float32()), ("t", pa.string())])
            ),
            [1, 2, 3, 4],
            {"id", "t"},
        ),
        (lambda b: b.replace_schema_metadata({"k": "v"}), [1, 2, 3, 4], ALL),
    ],
)
def test_rows_and_untouched_columns_stay_known(
    change: Callable[[Any], Any], ids: list[int], intact: set[str]
) -> None:
    made = change(view())
    assert type(made) is BatchView
    assert [number + 1 for number in made.batch.record_numbers()] == ids
    if "id" in made.column_names:
        assert made["id"].to_pylist() == ids
    assert made.batch.intact == intact
    assert BATCH.columns.column_names == ["id", "amount", "t"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, [True] * 4),
        ("x", ["x"] * 4),
        (None, [None] * 4),
        (pa.scalar(3), [3] * 4),
        (pc.scalar(True), [True] * 4),
        (pc.field("id") + 1, [2, 3, 4, 5]),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        (pa.chunked_array([[1, 2], [3, 4]]), [1, 2, 3, 4]),
        (range(4), [0, 1, 2, 3]),
    ],
)
def test_a_new_column_may_be_given_as_values_or_as_one_value(value: Any, expected: Any) -> None:
    assert view().append_column("new", value)["new"].to_pylist() == expected
    assert view().set_column(0, "id", value)["id"].to_pylist() == expected


def test_a_field_gives_a_new_column_its_type() -> None:
    made = view().append_column(pa.field("new", pa.int16()), [1, 2, 3, 4])
    assert made.schema.field("new").type == pa.int16()


def test_more_or_fewer_values_than_rows_are_refused() -> None:
    with pytest.raises(SchemaMismatchError, match="3 values for a batch of 4 rows"):
        view().append_column("new", [1, 2, 3])


def test_a_new_column_survives_a_filter_by_an_expression() -> None:
    made = view().append_column("flagged", pc.scalar(True)).filter(pc.field("amount") > 5)
    assert made.to_pylist() == [{"id": 3, "amount": 20.0, "t": "d", "flagged": True}]


@pytest.mark.parametrize(
    "ask",
    [
        lambda b: b["amonut"],
        lambda b: b.column("amonut"),
        lambda b: b.field("amonut"),
        lambda b: b.select(["amonut"]),
        lambda b: b.drop_columns("amonut"),
        lambda b: b.sort_by("amonut"),
        lambda b: b.rename_columns({"amonut": "x"}),
    ],
)
def test_a_missing_column_names_the_step_and_what_there_is(ask: Any) -> None:
    with pytest.raises(ColumnNotFoundError) as caught:
        ask(view())
    assert str(caught.value) == (
        "step 'map-1' uses column 'amonut', but its input has only 'id', 'amount', 't'; "
        "did you mean 'amount'?"
    )
    assert isinstance(caught.value, KeyError)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), MissingColumnError)


def test_a_view_passes_for_a_record_batch() -> None:
    b = view()
    assert isinstance(b, pa.RecordBatch)
    assert pa.table(b).to_pydict() == BATCH.columns.to_pydict()
    assert pa.record_batch(b).equals(BATCH.columns)
    assert pickle.loads(pickle.dumps(b)).equals(BATCH.columns)
    assert b == BATCH.columns
    assert b == view()
    assert b != b.slice(1)
    assert len(b) == b.num_rows == 4
    assert b.shape == (4, 3)
    assert repr(b) == repr(BATCH.columns)
    assert type(b[0]) is type(b.column("id")) is Column
    assert [type(column) for column in b.columns] == [Column] * 3
    assert b.raw is BATCH.columns


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "add_column": (0, "n", [1, 2, 3, 4]),
    "append_column": ("n", [1, 2, 3, 4]),
    "cast": (BATCH.columns.schema,),
    "column": (0,),
    "copy_to": (pa.default_cpu_memory_manager(),),
    "drop_columns": (["t"],),
    "equals": (BATCH.columns,),
    "field": ("id",),
    "filter": (pa.array([True, False, True, None]),),
    "from_arrays": ([pa.array([1])], ["a"]),
    "from_pydict": ({"a": [1]},),
    "from_pylist": ([{"a": 1}],),
    "from_struct_array": (pa.array([{"a": 1}]),),
    "remove_column": (0,),
    "rename_columns": (["a", "b", "c"],),
    "select": (["t"],),
    "set_column": (0, "n", [1, 2, 3, 4]),
    "slice": (1, 2),
    "sort_by": ("t",),
    "take": (pa.array([1, 0]),),
}
# These want numpy or pandas, or columns of one type, with a RecordBatch as well.
ELSEWHERE = {"from_pandas", "to_pandas", "to_tensor"}


def plain(value: Any) -> Any:
    if type(value) is BatchView:
        return value.raw
    if type(value) is Column:
        return pa.array(value)
    if isinstance(value, (list, tuple)) or hasattr(value, "__next__"):
        return [plain(each) for each in value]
    return value


@pytest.mark.parametrize("name", [n for n in dir(pa.RecordBatch) if not n.startswith("_")])
def test_everything_a_record_batch_has_a_view_has_with_the_same_outcome(name: str) -> None:
    mine, theirs = getattr(view(), name), getattr(BATCH.columns, name)
    if name in ELSEWHERE:
        assert callable(mine)
        return
    if callable(theirs):
        arguments = ARGUMENTS.get(name, ())
        mine, theirs = mine(*arguments), theirs(*arguments)
    assert plain(mine) == plain(theirs)


def test_what_neither_has_raises_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="a batch has no attribute 'colums'"):
        _ = view().colums


def test_rows_that_come_from_no_record_are_refused() -> None:
    with pytest.raises(ValueError, match="emit_null"):
        view().filter([None, True, True, True], null_selection_behavior="emit_null")
    with pytest.raises(ValueError, match="come from no record"):
        view().take(pa.array([0, None]))


def test_only_values_count_as_read() -> None:
    b = view()
    _ = (b.schema, b.num_rows, b.column_names, b.shape, b.nbytes, len(b), b.field("id"))
    assert not b.values_were_read
    b.slice(1, 1)["id"]
    assert b.values_were_read
