from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs import create_codec
from sabot.errors import ColumnNotFoundError, ConfigurationError, SchemaMismatchError
from sabot.kafka.sink import KafkaSinkConfig
from sabot.runtime.writer import Prepared, Writer
from sabot.types import Batch, RawBatch
from tests.records import batch_from, raw_of, rows

JSON = create_codec("json")


def writer(**options: Any) -> Writer:
    nothing: Any = None
    config = KafkaSinkConfig.from_options("localhost:1", "out", **options)
    return Writer(config, nothing, "to_kafka")


def prepare(columns: pa.RecordBatch, **options: Any) -> Prepared:
    return writer(**options).prepare(Batch(columns, RawBatch((), ())), None)


def table(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_the_key_s_column_becomes_the_key_and_no_part_of_the_value() -> None:
    done = prepare(table(n=[1, 2], key=["a", None]), key_codec_type="string")
    assert list(done.keys) == [b"a", None]
    assert list(done.values) == [b'{"n":1}', b'{"n":2}']
    assert done.headers is None


def test_a_struct_is_a_key_that_is_a_document() -> None:
    done = prepare(table(n=[1, 2], who=[{"id": 7}, None]), key_codec_type="json", key_column="who")
    assert list(done.keys) == [b'{"id":7}', None]


def test_a_key_that_cannot_be_written_fails_its_row_alone() -> None:
    done = prepare(
        table(n=[1, 2], key=["a", "\N{EURO SIGN}"]),
        key_codec_type="string",
        key_codec_options={"encoding": "ascii"},
    )
    assert list(done.values) == [b'{"n":1}']
    assert [fault.number for fault in done.faults] == [1]


def test_a_key_python_has_no_object_for_fails_its_row_alone() -> None:
    at = pa.array([0, 2**62, None, 60], pa.timestamp("s"))
    done = prepare(table(n=[1, 2, 3, 4], key=at), key_codec_type="msgpack")
    assert list(done.values) == [b'{"n":1}', b'{"n":3}', b'{"n":4}']
    assert [fault.number for fault in done.faults] == [1]
    assert done.keys[1] is None
    assert None not in (done.keys[0], done.keys[2])


def test_a_bad_header_fails_its_row_alone() -> None:
    kind = pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))
    given = [[{"name": "a", "value": b"1"}], [{"name": None, "value": b"2"}], None]
    done = prepare(table(n=[1, 2, 3], h=pa.array(given, kind)), headers_column="h")
    assert list(done.values) == [b'{"n":1}', b'{"n":3}']
    assert done.headers == [[("a", b"1")], []]
    assert [fault.number for fault in done.faults] == [1]


def test_bytes_of_a_record_stay_though_the_key_has_a_column() -> None:
    batch = batch_from(raw_of(rows([b'{ "n":  1 }'])))
    keyed = batch.append_column("key", pa.array(["new"]))
    done = writer(key_codec_type="string").prepare(keyed, JSON)
    assert list(done.values) == [b'{ "n":  1 }']
    assert list(done.keys) == [b"new"]


def test_headers_come_from_a_column_as_bytes_or_as_text() -> None:
    given = [[{"name": "a", "value": "x"}, {"name": "b", "value": None}], None, []]
    done = prepare(table(n=[1, 2, 3], headers=given), headers_column="headers")
    assert done.headers == [[("a", b"x"), ("b", None)], [], []]
    assert list(done.values) == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    none = prepare(table(n=[1], headers=[None]), headers_column="headers")
    assert none.headers == [[]]


def test_headers_belong_to_the_rows_that_leave() -> None:
    given = [[{"name": "a", "value": b"1"}], [{"name": "a", "value": b"2"}]]
    done = prepare(
        table(n=[1, 2], key=["\ud7ff", "b"], h=given),
        key_codec_type="string",
        key_codec_options={"encoding": "latin-1"},
        headers_column="h",
    )
    assert done.headers == [[("a", b"2")]]
    assert list(done.keys) == [b"b"]


@pytest.mark.parametrize(
    "column",
    [
        [1],
        [["a"]],
        [[{"name": "a"}]],
        [[{"name": 1, "value": b"x"}]],
        [[{"name": "a", "value": 1}]],
    ],
)
def test_a_column_that_is_no_list_of_headers_is_refused(column: list[Any]) -> None:
    with pytest.raises(SchemaMismatchError, match="takes headers from the column 'h'"):
        prepare(table(n=[1], h=column), headers_column="h")


@pytest.mark.parametrize("options", [{"key_codec_type": "string"}, {"headers_column": "key"}])
def test_a_column_that_is_not_there_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(ColumnNotFoundError, match="'to_kafka' uses column 'key'"):
        prepare(table(n=[1]), **options)


def test_rows_of_nulls_are_tombstones_where_that_is_asked_for() -> None:
    columns = table(n=[1, None, None], t=["a", None, "c"], key=["x", "y", "z"])
    done = prepare(columns, key_codec_type="string", tombstones=True)
    assert list(done.values) == [b'{"n":1,"t":"a"}', None, b'{"n":null,"t":"c"}']
    assert list(done.keys) == [b"x", b"y", b"z"]
    plain = prepare(columns, key_codec_type="string")
    assert list(plain.values)[1] == b'{"n":null,"t":null}'


def test_a_row_that_fails_beside_a_tombstone_is_still_known_by_its_number() -> None:
    bad = pa.StringArray.from_buffers(
        3, pa.array([0, 1, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"x\xff"),
        pa.array([True, False, True]).buffers()[1],
    )  # fmt: skip
    done = prepare(pa.RecordBatch.from_arrays([bad], names=["t"]), tombstones=True)
    assert list(done.values) == [b'{"t":"x"}', None]
    assert [fault.number for fault in done.faults] == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tombstones": 1}, "tombstones is 1; allowed: True, False"),
        ({"key_extractor": "n", "key_codec_type": "string"}, "both make the key"),
        ({"key_codec_tipe": "string"}, "did you mean 'key_codec_type'"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        writer(**options)
