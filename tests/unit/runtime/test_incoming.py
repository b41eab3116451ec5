from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from sabot.errors import ConfigurationError, DecodeError, PlanError
from sabot.kafka.record_columns import RecordColumns
from sabot.kafka.source import KafkaSource, KafkaSourceConfig
from sabot.runtime.incoming import HEADERS, Incoming
from sabot.runtime.policy import Stage
from sabot.types import Batch, TopicPartition
from tests.records import ReadRecord, batch_from, raw_of

P0 = TopicPartition("in", 0)


def batch(
    *keys: bytes | None,
    headers: tuple[tuple[str, bytes | None], ...] = (),
    value: bytes = b'{"n":1}',
) -> Batch:
    records = [ReadRecord(value, P0, number, key, extra=headers) for number, key in enumerate(keys)]
    return batch_from(raw_of(records))


def attach(rows: Batch, **options: Any) -> Batch:
    attached, faults = Incoming(RecordColumns(**options), "in", "source").attach(rows)
    assert not faults
    return attached


def test_a_key_of_text_is_a_column_of_text() -> None:
    made = attach(batch(b"a", None, b""), key_codec_type="string")
    assert made.column("key").to_pylist() == ["a", None, ""]
    assert made.schema.names == ["n", "key"]
    assert made.decoded == ("n",)
    assert made.intact == {"n"}


def test_a_key_that_is_a_document_is_a_struct() -> None:
    made = attach(batch(b'{"id":1}', None), key_codec_type="json", key_column="who")
    assert made.column("who").type == pa.struct([("id", pa.int64())])
    assert made.column("who").to_pylist() == [{"id": 1}, None]
    nothing = attach(batch(b"{}", None), key_codec_type="json")
    assert nothing.column("key").to_pylist() == [{}, None]


def test_a_key_that_cannot_be_decoded_is_a_failure_of_its_record() -> None:
    rows = batch(b"a", b"\xff", b"c").take(pa.array([2, 1]))
    incoming = Incoming(RecordColumns("string"), "in", "source")
    made, (fault,) = incoming.attach(rows)
    assert made.column("key").to_pylist() == ["c"]
    assert made.record_numbers() == [2]
    assert (fault.number, fault.stage, fault.step) == (1, Stage.DECODE, "source")
    assert isinstance(fault.error, DecodeError)


def test_headers_are_a_list_of_names_and_bytes_in_their_order() -> None:
    given = (("trace", b"1"), ("trace", None), ("raw", b"\xff"))
    made = attach(batch(b"a", headers=given), headers_column="headers")
    assert made.column("headers").type == HEADERS
    assert made.column("headers").to_pylist() == [
        [{"name": name, "value": value} for name, value in given]
    ]
    assert attach(batch(b"a"), headers_column="h").column("h").to_pylist() == [[]]


def test_a_column_of_the_value_is_not_overwritten() -> None:
    with pytest.raises(PlanError, match="adds the column 'n', but the value has one"):
        attach(batch(b"a"), key_codec_type="string", key_column="n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key_codec_type": "strin"}, "did you mean 'string'"),
        ({"key_codec_options": {"encoding": "ascii"}}, "no key_codec_type"),
        ({"key_codec_type": "string", "key_codec_options": {"encodin": "x"}}, "'encodin'"),
        ({"key_column": None}, "key_column is None"),
        ({"headers_column": 7}, "headers_column is 7"),
        ({"key_codec_type": "bytes", "headers_column": "key"}, "give them two names"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RecordColumns(**options)


def events(*records: ReadRecord, values: list[Any], **options: Any) -> Any:
    return Incoming(RecordColumns(**options), "in", "source").attach_rows(records, values)


def test_an_event_of_an_agent_has_key_and_headers_by_their_names() -> None:
    read = ReadRecord(b"", P0, 0, b"a", extra=(("trace", b"1"),))
    bare = ReadRecord(b"", P0, 1)
    made, errors = events(
        read, bare, values=[{"n": 1}, {"n": 2}], key_codec_type="string", headers_column="headers"
    )
    assert not errors
    assert made == [
        {"n": 1, "key": "a", "headers": [{"name": "trace", "value": b"1"}]},
        {"n": 2, "key": None, "headers": []},
    ]


def test_what_is_no_document_stands_under_value() -> None:
    records = [ReadRecord(b"", P0, number, b"k") for number in range(3)]
    made, _ = events(*records, values=["text", None, [1]], key_codec_type="bytes")
    assert [event["value"] for event in made] == ["text", None, [1]]
    assert {event["key"] for event in made} == {b"k"}


def test_an_event_whose_key_cannot_be_decoded_is_left_out_and_its_number_said() -> None:
    records = [ReadRecord(b"", P0, n, key) for n, key in enumerate([b"a", b"\xff", b"c"])]
    made, errors = events(*records, values=[{}, {}, {}], key_codec_type="string")
    assert [event["key"] for event in made] == ["a", "c"]
    assert {number: type(error) for number, error in errors.items()} == {1: DecodeError}


def test_an_event_keeps_what_the_value_says() -> None:
    with pytest.raises(PlanError, match="adds the column 'key', but the value has one"):
        events(ReadRecord(b"", P0), values=[{"key": 1}], key_codec_type="string")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headers_column": "headers"}, "leave headers_column out.*record.headers"),
        ({"key_codec_type": "string", "key_column": "who"}, "leave key_column out.*record.key"),
    ],
)
def test_a_source_of_records_has_no_columns(options: dict[str, Any], message: str) -> None:
    config = KafkaSourceConfig("localhost:1", "in", "g", **options)
    with pytest.raises(ConfigurationError, match=message):
        KafkaSource(config)
