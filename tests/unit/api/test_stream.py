from __future__ import annotations

import dataclasses
import doctest
import inspect
from typing import Any

import pyarrow as pa
import pytest

from sabot.api import stream as module
from sabot.api.stream import OutputStream, Stream
from sabot.errors import (
    ColumnNotFoundError,
    ConfigurationError,
    PlanError,
    ProcessingError,
    SabotError,
)
from sabot.plan.outputs import collecting

ROWS = Stream.from_pylist([{"id": 1, "t": "a", "n": 5}, {"id": 2, "t": "b", "n": None}])


def kafka(topic: str = "orders", **options: Any) -> Stream:
    return Stream.from_kafka("localhost:1", topic, "billing", **options)


# --- inert ------------------------------------------------------------------------------


def test_a_stream_never_changes() -> None:
    stream = kafka()
    for field in dataclasses.fields(stream):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(stream, field.name, None)


def test_a_step_leaves_its_stream_as_it_was() -> None:
    stream = kafka()
    node = stream.node
    stream.filter(lambda b: b).map(lambda b: b).select("a")
    assert stream.node is node


def test_branches_share_the_nodes_of_their_stream() -> None:
    stream = kafka().filter(lambda b: b)
    a, b = stream.select("a"), stream.select("b")
    assert a.node is not b.node
    assert a.node.parent is b.node.parent is stream.node  # type: ignore[union-attr]


def test_a_mapping_that_changes_later_changes_no_plan() -> None:
    names, columns = {"id": "order"}, {"unit": "eur"}
    stream = ROWS.rename(names).with_columns(columns)
    names["t"] = "kind"
    columns["more"] = "x"
    assert stream.to_pylist()[0] == {"order": 1, "t": "a", "n": 5, "unit": "eur"}


def test_defining_connects_to_nothing() -> None:
    with collecting() as collection:
        kafka().filter(lambda b: b["n"] > 1).to_kafka("localhost:1", "out")
    assert len(collection.outputs) == 1


# --- rows from memory -------------------------------------------------------------------


def test_a_key_that_is_missing_is_null() -> None:
    rows = Stream.from_pylist([{"a": 1}, {"b": "x"}, {"a": 2, "b": "y", "c": True}])
    assert rows.to_pylist() == [
        {"a": 1, "b": None, "c": None},
        {"a": None, "b": "x", "c": None},
        {"a": 2, "b": "y", "c": True},
    ]


def test_a_schema_settles_names_and_types() -> None:
    schema = pa.schema([("a", pa.float32()), ("z", pa.string())])
    table = Stream.from_pylist([{"a": 1}], schema).collect()
    assert table.schema == schema
    assert table.to_pylist() == [{"a": 1.0, "z": None}]


def test_no_rows_are_rows() -> None:
    assert Stream.from_pylist([]).to_pylist() == []


def test_tables_are_taken_as_batches() -> None:
    table = pa.table({"n": [1, 2, 3]})
    assert Stream.from_batches([table]).collect().to_pydict() == {"n": [1, 2, 3]}
    assert Stream.from_batches(table).collect().num_rows == 3


# --- steps ------------------------------------------------------------------------------


def test_select_takes_names_or_one_list_of_them() -> None:
    assert ROWS.select("n", "id").to_pylist() == [{"n": 5, "id": 1}, {"n": None, "id": 2}]
    assert ROWS.select(["n", "id"]).to_pylist() == ROWS.select("n", "id").to_pylist()  # type: ignore[arg-type]


def test_drop_leaves_the_others_in_their_order() -> None:
    assert ROWS.drop("t").to_pylist()[0] == {"id": 1, "n": 5}


def test_rename_may_swap() -> None:
    assert ROWS.rename({"id": "n", "n": "id"}).to_pylist()[0] == {"n": 1, "t": "a", "id": 5}


@pytest.mark.parametrize(
    "stream", [ROWS.select("idd"), ROWS.drop("idd"), ROWS.rename({"idd": "x"})]
)
def test_a_column_that_is_not_there_is_named_with_the_nearest(stream: Stream) -> None:
    with pytest.raises(ColumnNotFoundError, match=r"column 'idd'.*did you mean 'id'\?"):
        stream.collect()


def test_with_columns_takes_functions_expressions_and_values() -> None:
    import pyarrow.compute as pc

    row = (
        ROWS.with_columns({"double": lambda b: b["n"] * 2}, unit="eur", big=pc.field("n") > 3)
    ).to_pylist()[0]
    assert row == {"id": 1, "t": "a", "n": 5, "double": 10, "unit": "eur", "big": True}


def test_null_counts_as_false() -> None:
    assert ROWS.filter(lambda b: b["n"] > 1).select("id").to_pylist() == [{"id": 1}]


def test_a_step_may_have_a_name() -> None:
    with pytest.raises(ProcessingError, match="step 'prices'"):
        ROWS.map(lambda b: 1 / 0, name="prices").collect()


def test_a_step_never_sees_an_empty_batch() -> None:
    seen: list[int] = []

    def look(batch: Any) -> Any:
        seen.append(batch.num_rows)
        return batch

    assert ROWS.filter(lambda b: b["id"] > 9).map(look).to_pylist() == []
    assert seen == []


def test_raw_hands_out_a_record_batch_proper() -> None:
    seen: list[type] = []

    def look(batch: Any) -> Any:
        seen.append(type(batch))
        return batch

    assert ROWS.map(look, raw=True).to_pylist() == ROWS.to_pylist()
    assert seen == [pa.RecordBatch]


# --- union ------------------------------------------------------------------------------


def test_a_union_within_one_group_is_allowed() -> None:
    union = kafka("a").union(kafka("b"), kafka("c"))
    assert len(union.node.members) == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "other",
    [
        Stream.from_kafka("localhost:1", "orders", "other"),
        Stream.from_kafka("elsewhere:1", "orders", "billing"),
        ROWS,
    ],
)
def test_a_union_no_one_commit_can_cover_is_refused(other: Stream) -> None:
    with pytest.raises(ConfigurationError, match="one commit must cover them"):
        kafka().union(other)


# --- ends -------------------------------------------------------------------------------


def test_an_output_is_called_by_its_topic() -> None:
    with collecting():
        end = kafka().to_kafka("localhost:1", "out")
    assert isinstance(end, OutputStream)
    assert end.name == "to_kafka:out"


def test_an_output_runs_until_its_sources_end() -> None:
    rows: list[Any] = []
    with collecting():
        ROWS.for_each(rows.append).run()
    assert rows == ROWS.to_pylist()


def test_an_output_raises_the_first_cause_of_its_end() -> None:
    with collecting(), pytest.raises(ProcessingError, match="KeyError: 'price'"):
        ROWS.for_each(lambda row: row["price"]).run()


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean 'auto_offset_reset'\?"):
        kafka(auto_ofset_reset="latest")
    with pytest.raises(ConfigurationError, match=r"did you mean 'linger_ms'\?|linger"):
        ROWS.to_kafka("localhost:1", "out", lingerr_ms=5)


def test_errors_of_a_plan_are_errors_to_catch() -> None:
    with pytest.raises(SabotError):
        ROWS.select()
    with pytest.raises(PlanError):
        ROWS.union()


# --- words ------------------------------------------------------------------------------

_STEPS = "from_batches filter map flat_map select drop rename with_columns union explain".split()


@pytest.mark.parametrize("name", _STEPS)
def test_a_method_shows_an_example_that_runs(name: str) -> None:
    method = inspect.unwrap(getattr(Stream, name))
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(method) or "")
    assert examples, f"Stream.{name} shows no example"


def test_the_examples_are_true() -> None:
    assert (
        doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).failed
        == 0
    )
