from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.codecs import BytesCodec, StringCodec
from sabot.errors import (
    ColumnNotFoundError,
    ConfigurationError,
    DecodeError,
    EncodeError,
    SchemaMismatchError,
)

EURO = "\N{EURO SIGN}"


def test_a_value_is_one_text_and_a_tombstone_null() -> None:
    decoded = StringCodec().decode([b"a", b"", None, EURO.encode()])
    assert decoded.columns.schema == pa.schema([("value", pa.string())])
    assert decoded.columns.column("value").to_pylist() == ["a", "", None, EURO]


def test_what_is_no_text_fails_alone() -> None:
    decoded = StringCodec().decode([b"a", b"\xff", None, b"b"])
    assert decoded.columns.column("value").to_pylist() == ["a", None, "b"]
    (failure,) = decoded.failures
    assert failure.index == 1
    assert isinstance(failure.error, DecodeError)
    assert "no utf-8 text" in str(failure.error)


@pytest.mark.parametrize("errors", ["replace", "ignore", "backslashreplace"])
def test_errors_says_what_becomes_of_other_bytes(errors: str) -> None:
    decoded = StringCodec(errors=errors).decode([b"a\xff"])
    assert decoded.columns.column("value").to_pylist() == [b"a\xff".decode(errors=errors)]


def test_half_a_character_is_no_text_whatever_errors_says() -> None:
    decoded = StringCodec(errors="surrogateescape").decode([b"a", b"\xff"])
    assert [failure.index for failure in decoded.failures] == [1]
    assert decoded.columns.num_rows == 1


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252", "utf-8-sig", "ascii"])
def test_every_encoding_python_knows_is_read_and_written(encoding: str) -> None:
    codec = StringCodec(encoding=encoding)
    values = ["caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(encoding, "ignore"), None]
    columns = codec.decode(values).columns
    assert codec.encode(columns).values == values
    assert codec.decode_rows(values).rows == columns.column("value").to_pylist()


def test_text_the_encoding_cannot_write_fails_alone() -> None:
    encoded = StringCodec(encoding="ascii").encode_rows(["a", EURO, None, 7])
    assert encoded.values == [b"a", None]
    assert [failure.index for failure in encoded.failures] == [1, 3]
    assert all(isinstance(failure.error, EncodeError) for failure in encoded.failures)


@pytest.mark.parametrize(
    "options", [{"encoding": "utf-9"}, {"encoding": "hex"}, {"errors": "wish"}, {"encoding": ""}]
)
def test_an_unknown_encoding_is_refused_when_the_codec_is_made(options: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="cannot use encoding"):
        StringCodec(**options)


def test_other_columns_are_refused_rather_than_lost() -> None:
    codec = StringCodec()
    rows = pa.RecordBatch.from_pydict({"value": ["a"], "flag": [True]})
    with pytest.raises(SchemaMismatchError, match="'flag' too"):
        codec.encode(rows)
    with pytest.raises(ColumnNotFoundError, match="column 'value'"):
        codec.encode(rows.rename_columns(["text", "flag"]))
    with pytest.raises(SchemaMismatchError, match="'flag' is of type bool"):
        codec.encode(rows.select(["flag"]))


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None], pa.large_string()),
        pa.array(["a", None]).dictionary_encode(),
    ],
)
def test_the_only_column_is_written_whatever_its_name(column: pa.Array) -> None:
    rows = pa.RecordBatch.from_arrays([column], names=["line"])
    assert StringCodec().encode(rows).values == [b"a", None]


def test_nulls_without_a_type_are_tombstones() -> None:
    rows = pa.RecordBatch.from_arrays([pa.nulls(2)], names=["value"])
    assert StringCodec().encode(rows).values == [None, None]
    assert BytesCodec().encode(rows).values == [None, None]


def test_bytes_are_handed_on_only_where_both_refuse_the_same() -> None:
    assert StringCodec().reads_as(StringCodec(encoding="UTF8"))
    assert not StringCodec().reads_as(StringCodec(encoding="latin-1"))
    assert not StringCodec(errors="replace").reads_as(StringCodec(errors="replace"))
    assert not StringCodec().reads_as(BytesCodec())


def test_text_takes_no_further_columns() -> None:
    rows = pa.RecordBatch.from_pydict({"flag": [True]})
    assert StringCodec().extend([b"a"], rows) is None
    assert StringCodec().extend([b"a"], rows.select([])).values == [b"a"]  # type: ignore[union-attr]


@given(st.lists(st.none() | st.binary(max_size=6), max_size=8))
def test_columns_and_rows_say_what_python_says(values: list[bytes | None]) -> None:
    decoded, rows = StringCodec().decode(values), StringCodec().decode_rows(values)
    texts, bad = [], []
    for index, value in enumerate(values):
        try:
            texts.append(None if value is None else value.decode())
        except UnicodeDecodeError:
            bad.append(index)
    assert decoded.columns.column("value").to_pylist() == rows.rows == texts
    assert [f.index for f in decoded.failures] == [f.index for f in rows.failures] == bad
