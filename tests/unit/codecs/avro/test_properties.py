"""Random bytes and random damage: nothing but a failure of that record may come of it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.codecs import AvroCodec
from tests.unit.codecs.avro.values import FIXED, PARTED, RICH, record, written

SCHEMAS: dict[str, Any] = {"rich": RICH, "fixed": FIXED, "parted": PARTED}
CODECS = {name: AvroCodec(schema=schema) for name, schema in SCHEMAS.items()}
GOOD = {
    name: [written(schema, record(random.Random(seed), schema)) for seed in (1, 2)]
    for name, schema in SCHEMAS.items()
}
NAMES = pytest.mark.parametrize("name", sorted(CODECS))


def check(name: str, values: list[bytes]) -> None:
    """Decode damaged records among good ones; compare with each record on its own."""
    codec = CODECS[name]
    first, last = GOOD[name]
    decoded = codec.decode([first, *values, last])
    decoded.columns.validate(full=True)
    good = [value for value in values if not codec.decode([value]).failures]
    assert len(decoded.failures) == len(values) - len(good)
    assert decoded.columns == codec.decode([first, *good, last]).columns
    again = codec.encode(codec.decode(good).columns)
    assert not again.failures
    assert codec.decode(again.values).columns.num_rows == len(good)
    rows = codec.decode_rows([first, *values, last])
    assert len(rows.rows) + len(rows.failures) == len(values) + 2


@NAMES
@given(values=st.lists(st.binary(max_size=200), max_size=4))
def test_random_bytes_fail_alone(name: str, values: list[bytes]) -> None:
    check(name, values)


@NAMES
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_record_with_some_bytes_changed_fails_alone_or_is_another(
    name: str, seed: int, data: st.DataObject
) -> None:
    whole = bytearray(written(SCHEMAS[name], record(random.Random(seed), SCHEMAS[name])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    check(name, [bytes(whole)])


@NAMES
@given(seeds=st.lists(st.integers(0, 2**32), min_size=1, max_size=5))
def test_what_is_decoded_is_written_as_it_was(name: str, seeds: list[int]) -> None:
    values = [written(SCHEMAS[name], record(random.Random(s), SCHEMAS[name])) for s in seeds]
    columns = CODECS[name].decode(values).columns
    assert CODECS[name].encode(columns).values == values
