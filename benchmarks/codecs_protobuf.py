"""Ways from protobuf messages to columns and back, in microseconds per row.

Run as ``python -m benchmarks.codecs_protobuf``; takes about fifteen seconds. The choice made by
these figures is told in ``docs/decisions/protobuf-decode.md``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from operator import attrgetter
from typing import Any

import pyarrow as pa

from benchmarks.per_row import SIZES, microseconds, print_table
from sabot.codecs import ProtobufCodec
from sabot.codecs.protobuf.sources import class_of, file_of_text, message_named

ROUNDS = 5
ROWS_PER_ROUND = 2_000
SCHEMA = """
syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Payment {
  string id = 1; string account = 2; double amount = 3; string currency = 4;
  string merchant = 5; string country = 6; int64 timestamp = 7; bool online = 8;
}
message Basket {
  enum State { OPEN = 0; PAID = 1; }
  message Item { string article = 1; int32 count = 2; optional double price = 3; }
  string id = 1; State state = 2; google.protobuf.Timestamp at = 3; repeated Item items = 4;
  map<string, string> labels = 5; oneof by { string customer = 6; int64 guest = 7; }
}
"""


def message(name: str) -> Any:
    file = file_of_text(SCHEMA, {})
    return class_of(message_named([file], file.pool, name))


def payments(kind: Any, count: int) -> list[bytes]:
    chance = random.Random(1)
    return [
        kind(
            id=f"tx-{number:010d}",
            account=f"acc-{chance.randrange(10_000):06d}",
            amount=round(chance.uniform(0, 2000), 2),
            currency="EUR",
            merchant=f"m{chance.randrange(500)}",
            country="DE",
            timestamp=1_700_000_000_000 + number,
            online=bool(number % 2),
        ).SerializeToString()
        for number in range(count)
    ]


def baskets(kind: Any, count: int) -> list[bytes]:
    chance = random.Random(1)
    made = []
    for number in range(count):
        basket = kind(id=f"b-{number}", state=number % 2, labels={"shop": "web", "lang": "de"})
        basket.at.seconds = 1_700_000_000 + number
        for _ in range(3):
            basket.items.add(article=f"a{chance.randrange(999)}", count=1, price=chance.random())
        if number % 2:
            basket.customer = f"c{number}"
        else:
            basket.guest = number
        made.append(basket.SerializeToString())
    return made


HEAD = b"\x00\x00\x00\x00\x07\x00"
NAMES = tuple("id account amount currency merchant country timestamp online".split())


def as_row(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in NAMES}


def by_rows(kind: Any, values: list[bytes]) -> Any:
    return pa.RecordBatch.from_pylist([as_row(kind.FromString(value)) for value in values])


def by_columns(kind: Any, values: list[bytes]) -> Any:
    found = list(map(kind.FromString, values))
    names = [field.name for field in kind.DESCRIPTOR.fields]
    return pa.RecordBatch.from_arrays(
        [pa.array(list(map(attrgetter(name), found))) for name in names], names=names
    )


def by_json(kind: Any, values: list[bytes]) -> Any:
    from google.protobuf.json_format import MessageToDict

    return pa.RecordBatch.from_pylist([MessageToDict(kind.FromString(value)) for value in values])


def contenders(values: list[bytes]) -> dict[str, Callable[[], Any]]:
    kind = message("Payment")
    codec = ProtobufCodec(message_class=kind)
    columns = codec.decode(values).columns
    rows = codec.decode_rows(values).rows
    bad = [b"\xff" if number % 100 == 50 else value for number, value in enumerate(values)]
    one = [b"\xff" if 2 * number == len(values) else v for number, v in enumerate(values)]
    # The message is given, so the registry is not asked.
    registered = ProtobufCodec(message_class=kind, schema_registry_url="http://127.0.0.1:1")
    framed = [HEAD + value for value in values]
    several = [
        HEAD[:4] + bytes([number // 100 % 2]) + HEAD[5:] + value
        for number, value in enumerate(values)
    ]
    found: dict[str, Callable[[], Any]] = {
        "decode: plain loop, a dict per row": lambda: by_rows(kind, values),
        "decode: plain loop, a list per column": lambda: by_columns(kind, values),
        "decode: codec": lambda: codec.decode(values).columns,
        "decode: codec, 1 record of 100 bad": lambda: codec.decode(bad).columns,
        "decode: codec, 1 record bad": lambda: codec.decode(one).columns,
        "decode: codec, registry": lambda: registered.decode(framed).columns,
        "decode: codec, registry, 2 schemas": lambda: registered.decode(several).columns,
        "decode: codec, rows": lambda: codec.decode_rows(values),
        "encode: plain loop, from to_pylist": lambda: [
            kind(**row).SerializeToString() for row in columns.to_pylist()
        ],
        "encode: codec": lambda: codec.encode(columns),
        "encode: codec, rows": lambda: codec.encode_rows(rows),
    }
    if find_spec("protarrow"):
        import protarrow

        found["decode: protarrow"] = lambda: protarrow.messages_to_record_batch(
            list(map(kind.FromString, values)), kind
        )
    return found


def nested(values: list[bytes]) -> dict[str, Callable[[], Any]]:
    kind = message("Basket")
    codec = ProtobufCodec(message_class=kind)
    columns = codec.decode(values).columns
    return {
        "nested, decode: plain loop, MessageToDict": lambda: by_json(kind, values),
        "nested, decode: codec": lambda: codec.decode(values).columns,
        "nested, encode: codec": lambda: codec.encode(columns),
    }


def check() -> None:
    """Every way gives the same rows, or the figures mean nothing."""
    kind = message("Payment")
    values = payments(kind, 100)
    codec = ProtobufCodec(message_class=kind)
    columns = codec.decode(values).columns
    assert by_rows(kind, values).to_pylist() == columns.to_pylist()
    assert by_columns(kind, values).to_pylist() == columns.to_pylist()
    assert codec.encode(columns).values == values
    registered = ProtobufCodec(message_class=kind, schema_registry_url="http://127.0.0.1:1")
    assert registered.decode([HEAD + value for value in values]).columns == columns
    deep = baskets(message("Basket"), 100)
    codec = ProtobufCodec(message_class=message("Basket"))
    assert codec.decode(codec.encode(codec.decode(deep).columns).values).columns == (
        codec.decode(deep).columns
    )


def main() -> None:
    check()
    flat = payments(message("Payment"), max(SIZES))
    deep = baskets(message("Basket"), max(SIZES))
    table: dict[str, list[float]] = {}
    for size in SIZES:
        for name, run in {**contenders(flat[:size]), **nested(deep[:size])}.items():
            table.setdefault(name, []).append(
                microseconds(run, size, rounds=ROUNDS, rows=ROWS_PER_ROUND)
            )
    packages = ", ".join(f"{name} {version(name)}" for name in ("protobuf", "ptars", "pyarrow"))
    print(f"Python {sys.version.split()[0]}, {packages}; CPU microseconds per row, medians of")
    print(f"{ROUNDS} rounds; messages of about {sum(map(len, flat)) // len(flat)} bytes\n")
    print_table(table)


if __name__ == "__main__":
    main()
