"""Ways from JSON bytes to columns and back, in microseconds per row.

Run as ``python -m benchmarks.json_decode``; takes about half a minute. The choice made by
these figures is told in ``docs/decisions/json-decode.md``.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import msgspec
import orjson
import pyarrow as pa
import pyarrow.json as pj

from benchmarks.per_row import SIZES, microseconds, print_table
from sabot.codecs import JsonCodec

ROUNDS = 5
ROWS_PER_ROUND = 20_000
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("account", pa.string()),
        ("amount", pa.float64()),
        ("currency", pa.string()),
        ("merchant", pa.string()),
        ("country", pa.string()),
        ("timestamp", pa.int64()),
        ("online", pa.bool_()),
    ]
)


def records(count: int) -> list[bytes]:
    chance = random.Random(1)
    return [
        json.dumps(
            {
                "id": f"tx-{number:010d}",
                "account": f"acc-{chance.randrange(10_000):06d}",
                "amount": round(chance.uniform(0, 2000), 2),
                "currency": "EUR",
                "merchant": f"m{chance.randrange(500)}",
                "country": "DE",
                "timestamp": 1_700_000_000_000 + number,
                "online": bool(number % 2),
            },
            separators=(",", ":"),
        ).encode()
        for number in range(count)
    ]


def by_arrow(values: list[bytes]) -> Any:
    return pj.read_json(
        pa.BufferReader(b"\n".join(values)),
        read_options=pj.ReadOptions(use_threads=False, block_size=1 << 24),
        parse_options=pj.ParseOptions(explicit_schema=SCHEMA),
    )


def by_orjson(values: list[bytes]) -> Any:
    rows = list(map(orjson.loads, values))
    return pa.RecordBatch.from_arrays(
        [pa.array([row.get(field.name) for row in rows], field.type) for field in SCHEMA],
        schema=SCHEMA,
    )


def by_orjson_rows(values: list[bytes]) -> Any:
    return pa.RecordBatch.from_pylist(list(map(orjson.loads, values)), schema=SCHEMA)


def with_bad(values: list[bytes]) -> list[bytes]:
    return [b'{"id":1}' if number % 100 == 50 else value for number, value in enumerate(values)]


def decoders(values: list[bytes]) -> dict[str, Callable[[], Any]]:
    codec, pinned, bad = JsonCodec(), JsonCodec(schema=SCHEMA), with_bad(values)
    codec.decode(values)
    return {
        "decode: pyarrow.json, schema given": lambda: by_arrow(values),
        "decode: orjson, a list per column": lambda: by_orjson(values),
        "decode: orjson, from_pylist": lambda: by_orjson_rows(values),
        "decode: codec, all columns made": lambda: codec.decode(values).columns,
        "decode: codec, no column asked for": lambda: codec.decode(values),
        "decode: codec, schema pinned": lambda: pinned.decode(values).columns,
        "decode: codec, 1 record of 100 bad": lambda: codec.decode(bad).columns,
        "decode: codec, rows": lambda: codec.decode_rows(values),
    }


def encoders(values: list[bytes]) -> dict[str, Callable[[], Any]]:
    codec = JsonCodec()
    columns = codec.decode(values).columns
    rows = columns.to_pylist()
    size = len(values)
    same = pa.RecordBatch.from_arrays([pa.array([True] * size, pa.bool_())], names=["flagged"])
    other = pa.RecordBatch.from_arrays([pa.array(range(size), pa.int64())], names=["rank"])
    write = msgspec.json.encode
    return {
        "encode: orjson, from to_pylist": lambda: list(map(orjson.dumps, columns.to_pylist())),
        "encode: msgspec, from to_pylist": lambda: list(map(write, columns.to_pylist())),
        "encode: codec (structs, all lines at once)": lambda: codec.encode(columns),
        "encode: codec, rows": lambda: codec.encode_rows(rows),
        "extend: codec, one value for all rows": lambda: codec.extend(values, same),
        "extend: codec, a value for each row": lambda: codec.extend(values, other),
    }


def main() -> None:
    values = records(max(SIZES))
    table: dict[str, list[float]] = {}
    for size in SIZES:
        part = values[:size]
        for name, run in {**decoders(part), **encoders(part)}.items():
            table.setdefault(name, []).append(
                microseconds(run, size, rounds=ROUNDS, rows=ROWS_PER_ROUND)
            )
    pandas = "importable" if find_spec("pandas") else "not importable"
    print(
        f"Python {sys.version.split()[0]}, pyarrow {pa.__version__}, "
        f"msgspec {msgspec.__version__}, orjson {orjson.__version__}, pandas {pandas}; "
        f"records of about {sum(map(len, values)) // len(values)} bytes and {len(SCHEMA)} fields"
    )
    print("CPU microseconds per row, medians of", ROUNDS, "rounds\n")
    print_table(table)


if __name__ == "__main__":
    main()
