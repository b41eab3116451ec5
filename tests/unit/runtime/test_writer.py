from __future__ import annotations

import json
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.codecs import create_codec
from sabot.columns.lineage import joined
from sabot.errors import ColumnNotFoundError, FunctionResultError
from sabot.kafka.sink import KafkaSinkConfig
from sabot.operators import (
    DropOperator,
    MapOperator,
    RenameOperator,
    SelectOperator,
    WithColumnsOperator,
)
from sabot.runtime.faults import concat
from sabot.runtime.writer import Writer, as_key
from sabot.types import Batch
from tests.batches import batch_of
from tests.records import batch_from, raw_of, rows

JSON = create_codec("json", None)
AT = {"schema": {"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}}


def writer(**options: Any) -> Writer:
    nothing: Any = None
    return Writer(
        KafkaSinkConfig.from_options("localhost:1", "out", **options), nothing, "to_kafka"
    )


def spaced(*texts: str) -> Batch:
    """Return a batch of records whose bytes no encoder would write so."""
    return batch_from(raw_of(rows([text.encode() for text in texts])))


ODD = ('{ "b":2,"a" : 1 }', '{"a":3, "b":  4}')


def test_rows_that_no_step_changed_keep_their_bytes() -> None:
    prepared = writer().prepare(spaced(*ODD), JSON)
    assert list(prepared.values) == [text.encode() for text in ODD]


def test_rows_that_were_left_out_or_moved_keep_their_bytes_too() -> None:
    batch = spaced(*ODD).take(pa.array([1, 0, 1]))
    assert list(writer().prepare(batch, JSON).values) == [
        ODD[1].encode(),
        ODD[0].encode(),
        ODD[1].encode(),
    ]


def test_columns_that_were_only_added_are_added_to_the_bytes() -> None:
    step = MapOperator(lambda b: b.append_column("c", b["a"] * 2), name="map-1")
    prepared = writer().prepare(step.process(spaced(*ODD)), JSON)
    assert [json.loads(value or b"") for value in prepared.values] == [
        {"b": 2, "a": 1, "c": 2},
        {"a": 3, "b": 4, "c": 6},
    ]
    assert (prepared.values[0] or b"").startswith(b'{ "b":2,"a" : 1')


@pytest.mark.parametrize(
    ("step", "first"),
    [
        (SelectOperator(["a"]), {"a": 1}),
        (DropOperator(["a"]), {"b": 2}),
        (RenameOperator({"a": "x"}), {"x": 1, "b": 2}),
        (RenameOperator({"a": "b", "b": "a"}), {"b": 1, "a": 2}),
        (
            MapOperator(lambda b: b.set_column(1, "a", b["a"] + 10), name="map-1"),
            {"a": 11, "b": 2},
        ),
    ],
)
def test_rows_that_were_changed_are_encoded_anew(step: Any, first: dict[str, int]) -> None:
    prepared = writer().prepare(step.process(spaced(*ODD)), JSON)
    assert json.loads(prepared.values[0] or b"") == first


def test_a_column_that_goes_and_comes_back_changed_is_written_changed() -> None:
    dropped = DropOperator(["a"]).process(spaced(*ODD))
    again = MapOperator(lambda b: b.append_column("a", b["b"] * 100), name="map-1")
    prepared = writer().prepare(again.process(dropped), JSON)
    assert json.loads(prepared.values[0] or b"") == {"b": 2, "a": 200}


def test_rows_that_never_were_bytes_are_encoded() -> None:
    prepared = writer().prepare(batch_of({"n": [1, 2]}), None)
    assert list(prepared.values) == [b'{"n":1}', b'{"n":2}']
    assert list(prepared.keys) == [None, None]


def test_a_batch_without_rows_has_nothing_to_write() -> None:
    prepared = writer(key_extractor="missing").prepare(spaced(*ODD).slice(0, 0), JSON)
    assert list(prepared.values) == []
    assert writer().send(prepared) is None


def test_empty_objects_are_written_as_they_are() -> None:
    batch = spaced("{}", "{ }")
    assert list(writer().prepare(batch, JSON).values) == [b"{}", b"{ }"]
    assert list(writer().prepare(batch.take(pa.array([1])), JSON).values) == [b"{ }"]


# --- fields that a record lacks -----------------------------------------------------------


GAPS = ('{"a":1,"b":null,"o":{"x":1}}', '{"a":2,"o":{"y":null}}', '{"a":3,"c":[{"x":1},{}]}')


def written(batch: Batch, source: Any = JSON, **options: Any) -> list[Any]:
    prepared = writer(**options).prepare(batch, source)
    assert not prepared.faults
    return [json.loads(value or b"") for value in prepared.values]


def test_a_missing_field_stays_missing_and_a_null_stays_null() -> None:
    step = MapOperator(lambda b: b.set_column(0, "a", b["a"] + 10), name="map-1")
    assert written(step.process(spaced(*GAPS))) == [
        {"a": 11, "b": None, "o": {"x": 1}},
        {"a": 12, "o": {"y": None}},
        {"a": 13, "c": [{"x": 1}, {}]},
    ]


def test_rows_that_moved_keep_their_own_gaps() -> None:
    batch = DropOperator(["a"]).process(spaced(*GAPS).take(pa.array([2, 0])))
    assert written(batch) == [{"c": [{"x": 1}, {}]}, {"b": None, "o": {"x": 1}}]


def test_a_null_that_a_step_made_is_written() -> None:
    step = MapOperator(
        lambda b: b.append_column("new", pa.nulls(b.num_rows)).drop_columns(["a"]), name="map-1"
    )
    assert written(step.process(spaced('{"a":1}', '{"a":2,"b":3}'))) == [
        {"new": None},
        {"b": 3, "new": None},
    ]


def test_gaps_do_not_depend_on_how_records_were_cut_into_batches() -> None:
    together = written(DropOperator(["a"]).process(spaced(*GAPS)))
    alone = [written(DropOperator(["a"]).process(spaced(text)))[0] for text in GAPS]
    assert together == alone


def test_gaps_stay_when_the_format_changes() -> None:
    prepared = writer(codec_type="msgpack").prepare(spaced(*GAPS), JSON)
    assert [msgspec.msgpack.decode(value or b"") for value in prepared.values] == [
        json.loads(text) for text in GAPS
    ]


def test_gaps_stay_whatever_the_fields_are_called() -> None:
    texts = ('{"a":1,"x\\"y":null,"":{"x\\"y":1}}', '{"a":2,"":{}}', '{"a":3,"é\\n":1}')
    wanted = [
        {key: value for key, value in json.loads(text).items() if key != "a"} for text in texts
    ]
    assert written(DropOperator(["a"]).process(spaced(*texts))) == wanted


def test_a_tombstone_that_is_written_anew_has_only_what_steps_added() -> None:
    batch = batch_from(raw_of(rows([b'{"a":1,"b":2}', None])))
    assert written(DropOperator(["a"]).process(batch)) == [{"b": 2}, {}]


@pytest.mark.parametrize(
    "step",
    [
        RenameOperator({"b": "x", "o": "p", "c": "d"}),
        MapOperator(lambda b: b.rename_columns({"b": "x", "o": "p", "c": "d"}), name="map-1"),
    ],
)
def test_gaps_go_with_a_column_that_is_renamed(step: Any) -> None:
    assert written(step.process(spaced(*GAPS))) == [
        {"a": 1, "x": None, "p": {"x": 1}},
        {"a": 2, "p": {"y": None}},
        {"a": 3, "d": [{"x": 1}, {}]},
    ]


def test_columns_that_change_names_keep_their_own_gaps() -> None:
    batch = spaced('{"a":1}', '{"b":2}', '{"a":null}')
    batch = RenameOperator({"a": "b", "b": "a"}).process(batch)
    assert written(batch) == [{"b": 1}, {"a": 2}, {"b": None}]
    batch = RenameOperator({"a": "c", "b": "a"}).process(batch)
    assert written(batch) == [{"a": 1}, {"c": 2}, {"a": None}]
    assert written(batch.take(pa.array([2, 0]))) == [{"a": None}, {"a": 1}]


def test_gaps_of_renamed_columns_outlive_other_steps() -> None:
    batch = RenameOperator({"b": "x"}).process(spaced(*GAPS))
    batch = DropOperator(["o", "c"]).process(batch)
    batch = WithColumnsOperator({"n": 1}).process(batch.filter(pa.array([True, True, False])))
    assert written(batch) == [{"a": 1, "x": None, "n": 1}, {"a": 2, "n": 1}]


def raw_rename(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.set_column(0, "a", pc.add(batch["a"], 1))


@pytest.mark.parametrize(
    "step",
    [
        WithColumnsOperator({"a": pc.add(pc.field("a"), 1)}),
        WithColumnsOperator({"a": lambda b: b["a"] + 1}),
        MapOperator(lambda b: b.set_column(0, "a", b["a"] + 1), name="map-1"),
        MapOperator(raw_rename, name="map-1", raw=True),
        MapOperator(lambda b: pa.record_batch({"a": pc.add(b["a"], 1), "b": b["b"]}), name="map-1"),
    ],
)
def test_a_value_computed_in_the_place_of_a_missing_field_is_missing_where_it_is_null(
    step: Any,
) -> None:
    batch = spaced('{"a":1,"b":1}', '{"b":2}', '{"a":null}')
    assert written(step.process(batch)) == [{"a": 2, "b": 1}, {"b": 2}, {"a": None}]


def test_a_value_computed_in_the_place_of_a_missing_field_is_written_where_there_is_one() -> None:
    batch = spaced('{"a":1}', '{"b":2}', '{"a":null}')
    batch = WithColumnsOperator({"a": pc.coalesce(pc.field("a"), pc.scalar(0))}).process(batch)
    assert written(DropOperator(["b"]).process(batch)) == [{"a": 1}, {"a": 0}, {"a": 0}]


def test_a_value_computed_under_a_new_name_is_written_even_where_it_is_null() -> None:
    batch = spaced('{"a":1}', '{"b":2}')
    step = WithColumnsOperator({"double": pc.multiply(pc.field("a"), 2)})
    wanted = [{"a": 1, "double": 2}, {"b": 2, "double": None}]
    assert written(step.process(batch)) == wanted
    # Just so where the bytes cannot be kept.
    batch = RenameOperator({"b": "c"}).process(step.process(batch))
    assert written(batch) == [{"a": 1, "double": 2}, {"c": 2, "double": None}]


def test_a_column_that_was_dropped_has_no_gap_when_another_takes_its_name() -> None:
    batch = DropOperator(["a"]).process(spaced('{"a":1,"b":1}', '{"b":2}'))
    batch = WithColumnsOperator({"a": pc.scalar(None)}).process(batch)
    assert written(batch) == [{"b": 1, "a": None}, {"b": 2, "a": None}]


def test_lists_that_a_step_made_are_written_whole() -> None:
    batch = spaced('{"l":[{"x":1},{}],"o":{"x":1}}', '{"l":[{"y":1}]}')
    longer = pa.array(
        [[{"x": 1, "y": None}, {"x": None, "y": 2}, {"x": 3, "y": None}], []],
        pa.list_(pa.struct([("x", pa.int64()), ("y", pa.int64())])),
    )
    objects = pa.array([{"x": None, "y": None}, None])
    batch = WithColumnsOperator({"l": lambda b: longer, "o": lambda b: objects}).process(batch)
    assert written(batch) == [
        {"l": longer[0].as_py(), "o": {"x": None}},
        {"l": []},
    ]


def test_gaps_stay_in_parts_that_are_put_together_again() -> None:
    batch = RenameOperator({"b": "x"}).process(spaced(*GAPS))
    parts = [batch.slice(0, 1), batch.slice(1, 1), batch.slice(2, 1)]
    whole = [
        {"a": 1, "x": None, "o": {"x": 1}},
        {"a": 2, "o": {"y": None}},
        {"a": 3, "c": [{"x": 1}, {}]},
    ]
    assert written(concat(parts, batch)) == whole
    assert written(joined(batch, parts, "step")) == whole


# --- keys -------------------------------------------------------------------------------


def test_without_an_extractor_each_row_keeps_its_records_key() -> None:
    batch = spaced(*ODD, '{"a":5,"b":6}').filter(pa.array([True, False, True]))
    assert list(writer().prepare(batch, JSON).keys) == [b"k0", b"k2"]


def test_a_columns_value_becomes_the_key() -> None:
    prepared = writer(key_extractor="a").prepare(spaced(*ODD), JSON)
    assert list(prepared.keys) == [b"1", b"3"]


def test_a_function_of_the_row_gives_the_key() -> None:
    prepared = writer(key_extractor=lambda row: f"{row['a']}-{row['b']}".encode()).prepare(
        spaced(*ODD), JSON
    )
    assert list(prepared.keys) == [b"1-2", b"3-4"]


def distant() -> Batch:
    """Return rows whose middle one has a time that Python has no object for."""
    columns = pa.RecordBatch.from_pydict(
        {"n": [1, 2, 3], "at": pa.array([0, 2**62, 60], pa.timestamp("s"))}
    )
    return Batch(columns, raw_of(rows([b"{}"] * 3)))


@pytest.mark.parametrize(
    "key", ["at", lambda row: str(row["n"]).encode()], ids=["column", "function"]
)
def test_a_row_whose_key_python_has_no_object_for_fails_alone(key: Any) -> None:
    prepared = writer(key_extractor=key, codec_type=create_codec("avro", AT)).prepare(
        distant(), None
    )
    assert prepared.batch.columns.column("n").to_pylist() == [1, 3]
    assert len(prepared.values) == len(prepared.keys) == 2
    assert [fault.number for fault in prepared.faults] == [1]


def test_a_key_may_be_none() -> None:
    assert list(writer(key_extractor=lambda row: None).prepare(spaced(*ODD), JSON).keys) == [
        None,
        None,
    ]


def test_a_column_that_is_not_there_is_a_mistake_in_the_program() -> None:
    with pytest.raises(ColumnNotFoundError, match="step 'to_kafka' uses column 'aa'"):
        writer(key_extractor="aa").prepare(spaced(*ODD), JSON)


def test_an_extractor_that_returns_no_bytes_is_a_mistake_in_the_program() -> None:
    with pytest.raises(FunctionResultError, match=r"must return bytes; it returned int 1"):
        writer(key_extractor=lambda row: row["a"]).prepare(spaced(*ODD), JSON)


def test_an_extractor_that_raises_costs_that_row() -> None:
    def key(row: dict[str, Any]) -> bytes:
        if row["a"] == 1:
            raise KeyError("customer")
        return b"x"

    prepared = writer(key_extractor=key).prepare(spaced(*ODD), JSON)
    assert (list(prepared.keys), prepared.batch.record_numbers()) == ([b"x"], [1])
    assert [(f.where, f.stage.value, f.step) for f in prepared.faults] == [
        ("in[0]@0", "write", "to_kafka")
    ]


def test_a_row_that_cannot_be_encoded_costs_that_row() -> None:
    batch = batch_from(raw_of(rows([{"n": 0}, {"n": 1}, {"n": 2}])))
    texts = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"\xff", b"c"]).buffers())
    changed = batch.with_columns(pa.record_batch({"text": texts}))
    prepared = writer().prepare(changed, JSON)
    assert [fault.where for fault in prepared.faults] == ["in[0]@1"]
    assert prepared.batch.record_numbers() == [0, 2]
    assert list(prepared.keys) == [b"k0", b"k2"]
    assert len(prepared.values) == 2


@pytest.mark.parametrize(
    ("value", "key"),
    [("a", b"a"), ("ä", "ä".encode()), (7, b"7"), (None, None), (b"\x00", b"\x00")],
)
def test_what_a_value_is_as_a_key(value: Any, key: bytes | None) -> None:
    assert as_key(value) == key
