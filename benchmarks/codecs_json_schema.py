"""Validating JSON documents, and making columns of the valid ones, in microseconds per row.

Run as ``python -m benchmarks.codecs_json_schema``; takes about fifteen seconds. The choice
made by these figures is told in ``docs/decisions/json-schema-validation.md``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import jsonschema
import jsonschema_rs
import pyarrow as pa

from benchmarks.json_decode import records
from benchmarks.per_row import SIZES, microseconds, print_table
from sabot.codecs import JsonCodec, JsonSchemaCodec

ROUNDS = 5
ROWS_PER_ROUND = 2_000
SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["id", "amount"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "pattern": "^tx-"},
        "account": {"type": "string"},
        "amount": {"type": "number", "minimum": 0},
        "currency": {"enum": ["EUR", "USD"]},
        "merchant": {"type": "string", "maxLength": 20},
        "country": {"type": "string"},
        "timestamp": {"type": "integer"},
        "online": {"type": "boolean"},
    },
}


def contenders(values: list[bytes]) -> dict[str, Callable[[], Any]]:
    documents = list(map(json.loads, values))
    slow = jsonschema.Draft7Validator(SCHEMA)
    fast = jsonschema_rs.Draft7Validator(SCHEMA)
    codec, plain = JsonSchemaCodec(schema=SCHEMA), JsonCodec()
    columns = codec.decode(values).columns
    bad = [b'{"id":1}' if number % 100 == 50 else value for number, value in enumerate(values)]
    found: dict[str, Callable[[], Any]] = {
        "validate: jsonschema": lambda: [slow.is_valid(each) for each in documents],
        "validate: jsonschema-rs": lambda: list(map(fast.is_valid, documents)),
        "decode: json, jsonschema, from_pylist": lambda: by_jsonschema(slow, values),
        "decode: codec": lambda: codec.decode(values).columns,
        "decode: codec, 1 record of 100 bad": lambda: codec.decode(bad).columns,
        "decode: codec, rows": lambda: codec.decode_rows(values),
        "decode: JSON codec, nothing checked": lambda: plain.decode(values).columns,
        "encode: codec": lambda: codec.encode(columns),
    }
    if find_spec("fastjsonschema"):
        import fastjsonschema

        compiled = fastjsonschema.compile(SCHEMA)
        found["validate: fastjsonschema"] = lambda: [compiled(each) for each in documents]
    return found


def by_jsonschema(validator: Any, values: list[bytes]) -> Any:
    rows = [json.loads(value) for value in values]
    return pa.RecordBatch.from_pylist([row for row in rows if validator.is_valid(row)])


def check() -> None:
    """Every way gives the same rows, or the figures mean nothing."""
    values = records(100)
    codec = JsonSchemaCodec(schema=SCHEMA)
    columns = codec.decode(values).columns
    slow = jsonschema.Draft7Validator(SCHEMA)
    assert by_jsonschema(slow, values).to_pylist() == columns.to_pylist()
    assert codec.encode(columns).values == values


def main() -> None:
    check()
    values = records(max(SIZES))
    table: dict[str, list[float]] = {}
    for size in SIZES:
        for name, run in contenders(values[:size]).items():
            table.setdefault(name, []).append(
                microseconds(run, size, rounds=ROUNDS, rows=ROWS_PER_ROUND)
            )
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("jsonschema", "jsonschema-rs", "msgspec", "pyarrow")
    )
    print(f"Python {sys.version.split()[0]}, {packages}; CPU microseconds per row, medians of")
    print(f"{ROUNDS} rounds; records of about {sum(map(len, values)) // len(values)} bytes\n")
    print_table(table)


if __name__ == "__main__":
    main()
