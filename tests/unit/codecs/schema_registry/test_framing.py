from __future__ import annotations

import pytest

from sabot.codecs.schema_registry import frame, split
from sabot.errors import DecodeError


@pytest.mark.parametrize("schema_id", [0, 1, 2**31 - 1])
def test_what_is_framed_is_split(schema_id: int) -> None:
    assert split(frame(schema_id) + b"payload") == (schema_id, 5)


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01a"])
def test_what_is_not_framed_is_refused(value: bytes) -> None:
    with pytest.raises(DecodeError, match="the value"):
        split(value)


def test_a_payload_may_be_empty() -> None:
    assert split(b"\x00\x00\x00\x00\x07") == (7, 5)
