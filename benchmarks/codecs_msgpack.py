"""Ways from MessagePack bytes to columns and back, in microseconds per row.

Run as ``python -m benchmarks.codecs_msgpack``; takes about ten seconds. The choice made by
these figures is told in ``docs/decisions/msgpack-decode.md``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec
import pyarrow as pa

from benchmarks.per_row import SIZES, microseconds, print_table
from sabot.codecs import MsgpackCodec

ROUNDS = 5
ROWS_PER_ROUND = 10_000
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("account", pa.string()),
        ("amount", pa.float64()),
        ("currency", pa.string()),
        ("hash", pa.binary()),
        ("country", pa.string()),
        ("timestamp", pa.int64()),
        ("online", pa.bool_()),
    ]
)
INSTANTS = pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", "UTC"))])


def records(count: int) -> list[bytes]:
    chance = random.Random(1)
    return [
        msgpack.packb(
            {
                "id": f"tx-{number:010d}",
                "account": f"acc-{chance.randrange(10_000):06d}",
                "amount": round(chance.uniform(0, 2000), 2),
                "currency": "EUR",
                "hash": chance.randbytes(8),
                "country": "DE",
                "timestamp": 1_700_000_000_000 + number,
                "online": bool(number % 2),
            }
        )
        for number in range(count)
    ]


def instants(count: int) -> list[bytes]:
    return [
        msgpack.packb({"id": number, "at": msgpack.Timestamp(1_700_000_000 + number, 1_000)})
        for number in range(count)
    ]


def by_library(values: list[bytes]) -> Any:
    rows = [msgpack.unpackb(value) for value in values]
    return pa.RecordBatch.from_arrays(
        [pa.array([row.get(field.name) for row in rows], field.type) for field in SCHEMA],
        schema=SCHEMA,
    )


def by_library_rows(values: list[bytes]) -> Any:
    rows = [msgpack.unpackb(value) for value in values]
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


def instants_by_library(values: list[bytes]) -> Any:
    rows = [msgpack.unpackb(value, timestamp=3) for value in values]
    return pa.RecordBatch.from_pylist(rows, schema=INSTANTS)


def decoders(size: int) -> dict[str, Callable[[], Any]]:
    values, times = records(size), instants(size)
    codec, pinned, clock = MsgpackCodec(), MsgpackCodec(schema=SCHEMA), MsgpackCodec()
    bad = [b"\x81\xa2id\x01" if n % 100 == 50 else value for n, value in enumerate(values)]
    codec.decode(values)
    clock.decode(times)
    return {
        "decode: msgpack, from_pylist": lambda: by_library_rows(values),
        "decode: msgpack, a list per column": lambda: by_library(values),
        "decode: codec, all columns made": lambda: codec.decode(values).columns,
        "decode: codec, no column asked for": lambda: codec.decode(values),
        "decode: codec, schema pinned": lambda: pinned.decode(values).columns,
        "decode: codec, 1 record of 100 bad": lambda: codec.decode(bad).columns,
        "decode: codec, rows": lambda: codec.decode_rows(values),
        "decode instants: msgpack, from_pylist": lambda: instants_by_library(times),
        "decode instants: codec": lambda: clock.decode(times).columns,
    }


def encoders(size: int) -> dict[str, Callable[[], Any]]:
    values, codec = records(size), MsgpackCodec()
    columns = codec.decode(values).columns
    rows = columns.to_pylist()
    same = pa.RecordBatch.from_arrays([pa.array([True] * size, pa.bool_())], names=["flagged"])
    other = pa.RecordBatch.from_arrays([pa.array(range(size), pa.int64())], names=["rank"])
    return {
        "encode: msgpack, from to_pylist": lambda: list(map(msgpack.packb, columns.to_pylist())),
        "encode: codec": lambda: codec.encode(columns),
        "encode: codec, rows": lambda: codec.encode_rows(rows),
        "extend: codec, one value for all rows": lambda: codec.extend(values, same),
        "extend: codec, a value for each row": lambda: codec.extend(values, other),
    }


def check(size: int) -> None:
    """Every way gives the same columns, or the figures mean nothing."""
    values, times = records(size), instants(size)
    columns = MsgpackCodec().decode(values).columns
    assert columns == by_library(values) == by_library_rows(values)
    assert MsgpackCodec().decode(times).columns == instants_by_library(times)


def main() -> None:
    check(100)
    table: dict[str, list[float]] = {}
    for size in SIZES:
        for name, run in {**decoders(size), **encoders(size)}.items():
            table.setdefault(name, []).append(
                microseconds(run, size, rounds=ROUNDS, rows=ROWS_PER_ROUND)
            )
    version = ".".join(map(str, msgpack.version))
    print(
        f"Python {sys.version.split()[0]}, pyarrow {pa.__version__}, "
        f"msgspec {msgspec.__version__}, msgpack {version}; records of about "
        f"{sum(map(len, records(100))) // 100} bytes and {len(SCHEMA)} fields"
    )
    print("CPU microseconds per row, medians of", ROUNDS, "rounds\n")
    print_table(table)


if __name__ == "__main__":
    main()
