"""How a decoder deals with a memory; that of a group is in tests/integration."""

from __future__ import annotations

import pyarrow as pa

from sabot.codecs import JsonCodec, MsgpackCodec
from sabot.codecs.memory import LearningCodec
from tests.unit.codecs.documents.notebook import Notebook


def learning(memory: Notebook) -> JsonCodec:
    codec = JsonCodec()
    codec.remember(memory)
    return codec


def test_json_and_msgpack_learn() -> None:
    assert isinstance(JsonCodec(), LearningCodec)
    assert isinstance(MsgpackCodec(), LearningCodec)


def test_after_a_restart_the_first_record_does_not_decide() -> None:
    memory = Notebook()
    learning(memory).decode([b'{"amount": 12}'])
    decoded = learning(memory).decode([b'{"amount": "12"}', b'{"amount": 13}'])
    assert [failure.index for failure in decoded.failures] == [0]
    assert decoded.columns.to_pylist() == [{"amount": 13}]


def test_the_memory_is_told_once_of_a_change_and_never_of_none() -> None:
    memory = Notebook()
    codec = learning(memory)
    for _ in range(3):
        codec.decode([b'{"a": 1}', b'{"a": 2}'])
    codec.decode([b'{"a": 2.5}'])
    codec.decode([b'{"a": "x"}'])
    assert memory.told == [pa.schema({"a": pa.int64()}), pa.schema({"a": pa.float64()})]


def test_what_others_wrote_first_decides_and_the_batch_goes_on() -> None:
    memory = Notebook(meanwhile=pa.schema({"a": pa.string()}))
    decoded = learning(memory).decode([b'{"a": 1, "b": 1}', b'{"a": "x"}', b'{"b": 2}'])
    assert [failure.index for failure in decoded.failures] == [0]
    assert decoded.columns.to_pylist() == [{"a": "x", "b": None}, {"a": None, "b": 2}]
    assert memory.schema == pa.schema({"a": pa.string(), "b": pa.int64()})


def test_rows_before_the_change_have_the_columns_that_others_added() -> None:
    memory = Notebook(pa.schema({"a": pa.int64()}), pa.schema({"c": pa.string()}))
    decoded = learning(memory).decode([b'{"a": 1}', b'{"a": 2, "b": true}'])
    assert decoded.columns.to_pylist() == [
        {"a": 1, "c": None, "b": None},
        {"a": 2, "c": None, "b": True},
    ]


def test_a_schema_that_could_not_be_remembered_is_not_used() -> None:
    memory = Notebook(pa.schema({"a": pa.int64()}))
    codec = learning(memory)
    memory.fails_with = ConnectionError("gone")
    try:
        codec.decode([b'{"a": 1}', b'{"b": 2}'])
    except ConnectionError:
        pass
    else:
        raise AssertionError("the failure was swallowed")
    assert codec.schema.names == ["a"]
    memory.fails_with = None
    assert codec.decode([b'{"a": 1}', b'{"b": 2}']).columns.num_columns == 2


def test_a_pinned_schema_asks_no_memory() -> None:
    memory = Notebook(pa.schema({"a": pa.string()}))
    codec = JsonCodec(schema=pa.schema({"a": pa.int64()}))
    codec.remember(memory)
    assert codec.decode([b'{"a": 1, "b": 2}']).columns.to_pylist() == [{"a": 1}]
    assert memory.told == []
