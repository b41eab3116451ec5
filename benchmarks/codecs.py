"""Ways from Avro bytes to columns and back, in microseconds per row.

Run as ``python -m benchmarks.codecs``; takes about fifteen seconds. With ``RUST_BACKTRACE``
set, pyruhvro takes longer to find bad records; leave it unset. The choice made by these
figures is told in ``docs/decisions/avro-decode.md``.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pyruhvro

from benchmarks.per_row import SIZES, microseconds, print_table
from sabot.codecs.avro import AvroCodec

ROUNDS = 3
ROWS_PER_ROUND = 10_000

FLAT = {
    "type": "record",
    "name": "Transaction",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "account", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "currency", "type": {"type": "enum", "name": "Cur", "symbols": ["EUR", "USD"]}},
        {"name": "merchant", "type": ["null", "string"]},
        {"name": "country", "type": "string"},
        {"name": "timestamp", "type": "long"},
        {"name": "online", "type": "boolean"},
    ],
}
RICH = FLAT | {
    "fields": [
        *FLAT["fields"],  # type: ignore[misc]
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
        },
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "attributes", "type": {"type": "map", "values": "string"}},
    ]
}
FIXED = FLAT | {
    "fields": [
        *FLAT["fields"],  # type: ignore[misc]
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 16}},
    ]
}
ODD = FLAT | {
    "fields": [
        *FLAT["fields"],  # type: ignore[misc]
        {"name": "odd", "type": {"type": "fixed", "name": "Odd", "size": 5}},
    ]
}


def row(number: int, chance: random.Random) -> dict[str, Any]:
    return {
        "id": f"tx-{number:010d}",
        "account": f"acc-{chance.randrange(10_000):06d}",
        "amount": round(chance.uniform(0, 2000), 2),
        "currency": chance.choice(["EUR", "USD"]),
        "merchant": chance.choice([None, f"merchant-{chance.randrange(500)}"]),
        "country": "DE",
        "timestamp": 1_700_000_000_000 + number,
        "online": bool(number % 2),
        "at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=number),
        "price": Decimal(chance.randrange(10**6)).scaleb(-2),
        "tags": ["a", "b"],
        "attributes": {"k": "v"},
        "hash": chance.randbytes(16),
        "odd": chance.randbytes(5),
    }


def records(schema: Any, count: int) -> list[bytes]:
    chance = random.Random(1)
    parsed = fastavro.parse_schema(schema)
    values = []
    for number in range(count):
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, parsed, row(number, chance))
        values.append(stream.getvalue())
    return values


def damaged(values: list[bytes]) -> list[bytes]:
    """Return the records with one of 100 cut off, of random bytes, or with a byte too much."""
    chance = random.Random(2)
    found = list(values)
    for number in range(50, len(values), 100):
        value = values[number]
        ways = (value[: len(value) // 2], chance.randbytes(40), value + b"\x00", b"\x01")
        found[number] = chance.choice(ways)
    return found


def no_text(values: list[bytes]) -> list[bytes]:
    """Return the records with one of 100 whose first text is no UTF-8."""
    found = list(values)
    for number in range(50, len(values), 100):
        found[number] = values[number][:1] + b"\xff" + values[number][2:]
    return found


def by_fastavro(values: list[bytes], parsed: Any, columns: pa.Schema) -> Any:
    rows = [fastavro.schemaless_reader(io.BytesIO(value), parsed, None) for value in values]
    return pa.RecordBatch.from_pylist(rows, schema=columns)


def to_fastavro(columns: Any, parsed: Any) -> list[bytes]:
    values = []
    for each in columns.to_pylist(maps_as_pydicts="strict"):
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, parsed, each)
        values.append(stream.getvalue())
    return values


def ways(schema: Any, values: list[bytes], *, bare: bool) -> dict[str, Callable[[], Any]]:
    parsed = fastavro.parse_schema(schema)
    codec = AvroCodec(schema=schema)
    columns = codec.decode(values).columns
    bad, misread = damaged(values), no_text(values)
    found: dict[str, Callable[[], Any]] = {
        "decode: fastavro, from_pylist": lambda: by_fastavro(values, parsed, columns.schema),
        "decode: codec": lambda: codec.decode(values),
        "decode: codec, 1 record of 100 bad": lambda: codec.decode(bad),
        "decode: codec, 1 text of 100 bad": lambda: codec.decode(misread),
        "decode: codec, rows": lambda: codec.decode_rows(values),
        "encode: fastavro, from to_pylist": lambda: to_fastavro(columns, parsed),
        "encode: codec": lambda: codec.encode(columns),
    }
    if bare:
        text = json.dumps(schema)
        found["decode: pyruhvro alone"] = lambda: pyruhvro.deserialize_array(values, text)
    return found


def main() -> int:
    schemas = {
        "8 fields": FLAT,
        "12 fields": RICH,
        "9 fields, one fixed of 16 bytes": FIXED,
        "9 fields, one fixed of 5 bytes": ODD,
    }
    for title, schema in schemas.items():
        table: dict[str, list[float]] = {}
        for size in SIZES:
            for name, way in ways(schema, records(schema, size), bare=schema is FLAT).items():
                way()
                table.setdefault(name, []).append(
                    microseconds(way, size, rounds=ROUNDS, rows=ROWS_PER_ROUND)
                )
        print()
        print_table(dict(sorted(table.items())), title)
    return 0


if __name__ == "__main__":
    sys.exit(main())
