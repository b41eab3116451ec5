from __future__ import annotations

import json

import pytest

from sabot.cli.tail import as_json, as_text
from sabot.types import Record


def record(value: bytes | None, key: bytes | None = None) -> Record:
    return Record(value, key, (("trace", b"1"), ("raw", b"\xff")), "orders", 3, 17, 1700)


@pytest.mark.parametrize(
    ("value", "key", "shown"),
    [
        (b'{"id": 1}', None, 'orders[3]@17  -  {"id": 1}'),
        (b"", b"", "orders[3]@17    "),
        (None, b"k", "orders[3]@17  k  (tombstone)"),
        ("größe".encode(), b"k", "orders[3]@17  k  größe"),
        (b"two\nlines\x1b[2J", b"k", "orders[3]@17  k  two\\nlines\\x1b[2J"),
        (b"\xff\x00", b"k", "orders[3]@17  k  base64:/wA="),
    ],
)
def test_a_record_is_one_line_of_text(value: bytes | None, key: bytes | None, shown: str) -> None:
    assert as_text(record(value, key)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"id": [1, null]}', {"id": [1, None]}),
        (None, None),
        (b"", ""),
        (b"plain", "plain"),
        (b"NaN", "NaN"),
        (b"\xff", "base64:/w=="),
    ],
)
def test_the_whole_record_is_one_json_object(value: bytes | None, shown: object) -> None:
    line = as_json(record(value, b"k"))
    assert "\n" not in line
    assert json.loads(line) == {
        "topic": "orders",
        "partition": 3,
        "offset": 17,
        "timestamp": 1700,
        "key": "k",
        "headers": [["trace", "1"], ["raw", "base64:/w=="]],
        "value": shown,
    }
