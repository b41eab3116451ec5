"""Bytes no well-meaning client writes: one failed record each, and its neighbours intact."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabot.codecs import Codec, codec_names, create_codec
from sabot.errors import DecodeError
from tests.conformance.cases import CASES
from tests.conformance.hostile import MEGABYTE, RECORDS

ROOT = Path(__file__).parents[2]
CODECS = pytest.mark.parametrize("name", sorted(CASES))


@cache
def kept(name: str) -> Codec:
    """Return a codec that learns nothing, and is not cheap to make."""
    return create_codec(name, CASES[name].options)


def codec_of(name: str) -> Codec:
    return create_codec(name) if name in ("json", "msgpack") else kept(name)


def check(name: str, record: bytes) -> None:
    """Decode a record between two good ones, as columns and as rows."""
    case = CASES[name]
    first, last = case.good[:2]
    codec = codec_of(name)
    expected = codec.decode([first, last]).columns
    decoded = codec.decode([first, record, last])
    columns = decoded.columns
    columns.validate(full=True)
    assert columns.num_rows + len(decoded.failures) == 3
    # New columns may have come with the record.
    names = expected.schema.names
    assert columns.select(names).slice(0, 1).to_pylist() == expected.slice(0, 1).to_pylist()
    behind = columns.num_rows - 1
    assert columns.select(names).slice(behind).to_pylist() == expected.slice(1).to_pylist()
    rows = codec.decode_rows([first, record, last])
    assert len(rows.rows) + len(rows.failures) == 3
    assert [rows.rows[0], rows.rows[-1]] == codec.decode_rows([first, last]).rows
    for failure in [*decoded.failures, *rows.failures]:
        assert failure.index == 1
        assert isinstance(failure.error, DecodeError)
    if len(decoded.failures) == 0:
        assert not codec.encode(columns).failures


@CODECS
@settings(max_examples=100, deadline=None)
@given(record=st.binary(max_size=100))
def test_random_bytes_fail_alone_or_are_a_record(name: str, record: bytes) -> None:
    check(name, record)


@CODECS
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_record_with_bytes_changed_fails_alone_or_is_another(
    name: str, data: st.DataObject
) -> None:
    record = bytearray(data.draw(st.sampled_from([good for good in CASES[name].good if good])))
    for _ in range(data.draw(st.integers(1, 3))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    check(name, bytes(record))


@CODECS
def test_a_record_cut_off_at_every_byte_fails_alone_or_is_another(name: str) -> None:
    for good in CASES[name].good:
        for length in range(len(good)):
            check(name, good[:length])


@CODECS
def test_a_value_of_a_megabyte_is_one_row(name: str) -> None:
    codec, good = codec_of(name), CASES[name].good[0]
    large: Any = "x" * MEGABYTE
    large = {"bytes": large.encode(), "string": large}.get(name, {"id": 7, "t": large})
    (record,) = codec.encode_rows([large]).values
    decoded = codec.decode([good, record, good])
    assert not decoded.failures
    row = large if isinstance(large, dict) else {"value": large}
    assert decoded.columns.to_pylist()[1] == row
    assert codec.encode(decoded.columns).values == [good, record, good]


def test_each_codec_has_hostile_records() -> None:
    assert set(RECORDS) == set(codec_names())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="it reads Linux's /proc")
@pytest.mark.parametrize("name", sorted(name for name in RECORDS if RECORDS[name]))
def test_records_made_to_do_harm_fail_alone_in_bounded_memory_and_time(name: str) -> None:
    # In a process of its own, which the system ends after a minute of processor time.
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance.hostile", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["record"] for each in found] == list(RECORDS[name])
    for each in found:
        assert each["failed"] == [1], each
        assert each["others intact"], each
        # What was declared is 2 GB and more; what came may be held a few times over.
        assert each["grown"] < 64 * MEGABYTE + 4 * each["length"], each
