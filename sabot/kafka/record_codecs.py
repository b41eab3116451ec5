"""Decoding the records of a `KafkaSource`: their values, and their keys where asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sabot.codecs import Codec
from sabot.errors import CodecError

if TYPE_CHECKING:
    from sabot.types import SourceRecord

__all__ = ["Pair", "RecordCodecs"]

Pair = tuple[Any, Any]
"""A record's value and its key, decoded."""


class RecordCodecs:
    """A codec for values and perhaps one for keys; for one thread.

    Args:
        values: The codec of the values.
        keys: The codec of the keys; without it they stay bytes.
    """

    def __init__(self, values: Codec, keys: Codec | None = None) -> None:
        self._values = values
        self._keys = keys

    def decode(
        self, records: Sequence[SourceRecord], values: Sequence[bytes | None]
    ) -> list[Pair | CodecError]:
        """Return for each record its value and key, or why one of them cannot be decoded.

        Args:
            records: The records.
            values: Their values, which whoever read them has at hand already.

        Raises:
            CodecError: If it is no record's fault and may pass (``retriable``).
        """
        decoded = _each(self._values, values)
        keys: list[Any] = [record.key() for record in records]
        if self._keys is not None:
            keys = _each(self._keys, keys)
        return [
            value
            if isinstance(value, CodecError)
            else key
            if isinstance(key, CodecError)
            else (value, key)
            for value, key in zip(decoded, keys, strict=True)
        ]


def _each(codec: Codec, given: Sequence[bytes | None]) -> list[Any]:
    """Return what came of each, an error where it did not."""
    done = codec.decode_rows(given)
    if not done.failures:
        return list(done.rows)
    errors = {failure.index: failure.error for failure in done.failures}
    rows = iter(done.rows)
    return [errors[number] if number in errors else next(rows) for number in range(len(given))]
