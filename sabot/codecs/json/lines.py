"""Rows as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sabot.codecs.documents.writer import DocumentWriter
from sabot.codecs.json.cells import cells

__all__ = ["LINES", "write"]

_encoder = msgspec.json.Encoder(decimal_format="number")
write = _encoder.encode
"""Write one Python object as JSON bytes."""


def _write_all(rows: Sequence[Any]) -> list[bytes]:
    # No line break can stand inside a line: JSON text escapes it.
    lines = _encoder.encode_lines(rows).split(b"\n")
    lines.pop()
    return lines


LINES = DocumentWriter("JSON", cells=cells, write=write, write_all=_write_all)
"""What writes rows as JSON objects."""
