"""What every codec promises (`sabot.codecs.codec.Codec`), run over every codec there is."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from sabot.codecs import Codec, codec_names, create_codec
from sabot.errors import DecodeError, EncodeError
from tests.conformance.cases import CASES, Case


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def make(request: pytest.FixtureRequest, case: Case) -> Callable[[], Codec]:
    name = request.node.callspec.params["case"]
    return lambda: create_codec(name, case.options)


def test_every_registered_codec_is_in_this_suite() -> None:
    assert set(codec_names()) == set(CASES)


def test_a_codec_keeps_the_contract_and_its_name(make: Callable[[], Codec]) -> None:
    codec = make()
    assert isinstance(codec, Codec)
    assert codec.name in CASES


def test_there_is_a_row_for_each_good_record_in_their_order(
    make: Callable[[], Codec], case: Case
) -> None:
    decoded = make().decode(case.good)
    assert not decoded.failures
    assert isinstance(decoded.columns, pa.RecordBatch)
    decoded.columns.validate(full=True)
    one_by_one = make()
    assert decoded.columns.to_pylist() == [
        one_by_one.decode([value]).columns.to_pylist()[0] for value in case.good
    ]


def test_a_bad_record_fails_alone_and_by_its_index(make: Callable[[], Codec], case: Case) -> None:
    if not case.bad:
        pytest.skip("it reads every record")
    mixed: list[bytes | None] = []
    for good, bad in zip(case.good, case.bad, strict=True):
        mixed += [good, bad]
    decoded = make().decode(mixed)
    assert [failure.index for failure in decoded.failures] == [1, 3, 5]
    assert all(isinstance(failure.error, DecodeError) for failure in decoded.failures)
    assert decoded.columns == make().decode(case.good).columns


def test_a_batch_of_bad_records_and_an_empty_batch_keep_the_known_columns(
    make: Callable[[], Codec], case: Case
) -> None:
    codec = make()
    schema = codec.decode(case.good).columns.schema
    for values in (case.bad, []):
        decoded = codec.decode(values)
        assert decoded.columns.num_rows == 0
        assert decoded.columns.schema == schema
        assert len(decoded.failures) == len(values)


def test_a_tombstone_is_a_row_of_nulls_or_none(make: Callable[[], Codec], case: Case) -> None:
    codec = make()
    columns = codec.decode([case.good[0], None, case.good[1]]).columns
    assert columns.num_rows == 3
    assert set(columns.to_pylist()[1].values()) == {None}
    rows = codec.decode_rows([case.good[0], None]).rows
    assert rows[1] is None
    assert codec.encode_rows([None]).values == [None]


def test_what_is_written_is_read_back(make: Callable[[], Codec], case: Case) -> None:
    codec = make()
    columns = codec.decode(case.good).columns
    encoded = codec.encode(columns)
    assert not encoded.failures
    assert codec.decode(encoded.values).columns == columns
    assert codec.encode(columns.slice(1, 1)).values == encoded.values[1:2]
    rows = codec.decode_rows(case.good).rows
    assert codec.decode_rows(codec.encode_rows(rows).values).rows == rows


def test_a_bad_record_fails_alone_as_a_row_too(make: Callable[[], Codec], case: Case) -> None:
    if not case.bad:
        pytest.skip("it reads every record")
    decoded = make().decode_rows([case.good[0], case.bad[1], case.good[1]])
    assert [failure.index for failure in decoded.failures] == [1]
    assert len(decoded.rows) == 2


def test_a_row_that_cannot_be_written_fails_alone(make: Callable[[], Codec], case: Case) -> None:
    codec = make()
    rows = codec.decode_rows(case.good).rows
    encoded = codec.encode_rows([rows[0], case.unwritable, rows[1]])
    assert [failure.index for failure in encoded.failures] == [1]
    assert isinstance(encoded.failures[0].error, EncodeError)
    assert len(encoded.values) == 2


@pytest.mark.parametrize("extra", [["x", "x", "x"], ["x", None, "y"]])
def test_extended_bytes_say_what_encoding_all_columns_would_say(
    make: Callable[[], Codec], case: Case, extra: list[str | None]
) -> None:
    codec = make()
    columns = codec.decode(case.good).columns
    added = pa.array(extra, pa.string())
    extended = codec.extend(case.good, pa.RecordBatch.from_arrays([added], names=["added"]))
    if extended is None:
        return
    assert not extended.failures
    full = codec.encode(columns.append_column("added", added))
    assert make().decode(extended.values).columns == make().decode(full.values).columns


def test_a_codec_reads_as_another_one_of_the_same_options(make: Callable[[], Codec]) -> None:
    assert make().reads_as(make())
