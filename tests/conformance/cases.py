"""Each codec's options, and records it can and cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """A codec's options, with records it can and cannot read and an object it cannot write.

    Where every record can be read, there is no bad one.
    """

    good: list[bytes]
    bad: list[bytes]
    unwritable: Any
    options: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "avro": Case(
        good=[b"\x02\x02a", b"\x04\x02b", b"\x06\x02c"],
        bad=[b"", b"\x02\x02", b"\x02\x02\xff"],
        unwritable={"id": "x"},
        options={
            "schema": {
                "type": "record",
                "name": "Case",
                "fields": [{"name": "id", "type": "long"}, {"name": "t", "type": "string"}],
            }
        },
    ),
    "bytes": Case(good=[b"a", b"", b"\xff\x00"], bad=[], unwritable="text"),
    "json": Case(
        good=[b'{"id":1,"t":"a"}', b'{"id":2,"t":"b"}', b'{"id":3,"t":"c"}'],
        bad=[b"", b"{", b'{"id":"x"}'],
        unwritable=object(),
    ),
    "json_schema": Case(
        good=[b'{"id":1,"t":"a"}', b'{"id":2,"t":"b"}', b'{"id":3,"t":"c"}'],
        bad=[b"", b'{"id":0,"t":"a"}', b'{"t":"a"}'],
        unwritable={"id": "x"},
        options={
            "schema": {
                "required": ["id"],
                "properties": {"id": {"type": "integer", "minimum": 1}, "t": {"type": "string"}},
            }
        },
    ),
    "msgpack": Case(
        good=[
            b"\x82\xa2id\x01\xa1t\xa1a",
            b"\x82\xa2id\x02\xa1t\xa1b",
            b"\x82\xa2id\x03\xa1t\xa1c",
        ],
        bad=[b"", b"\x81", b"\x81\xa2id\xa1x"],
        unwritable=object(),
    ),
    "protobuf": Case(
        good=[b"\x08\x01\x12\x01a", b"\x08\x02\x12\x01b", b"\x08\x03\x12\x01c"],
        bad=[b"\x08", b"\x12\x05a", b"\x12\x01\xff"],
        unwritable={"id": "x"},
        options={"schema": 'syntax = "proto3"; message Row { int64 id = 1; string t = 2; }'},
    ),
    "string": Case(
        good=[b"a", b"", "\N{EURO SIGN}".encode()],
        bad=[b"\xff", b"\xed\xa0\x80", b"a\xc3"],
        unwritable=b"bytes",
    ),
}
