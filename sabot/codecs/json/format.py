"""JSON as a document format."""

from __future__ import annotations

import msgspec

from sabot.codecs.documents.columns import leaf_builder
from sabot.codecs.documents.format import Format
from sabot.codecs.documents.struct import scalar_annotation
from sabot.codecs.json.canonical import canonical

__all__ = ["JSON"]

JSON = Format(
    title="JSON",
    is_text=True,
    decoder=lambda kind: msgspec.json.Decoder(kind).decode,
    parse=msgspec.json.Decoder().decode,
    canonical=canonical,
    annotation=scalar_annotation,
    leaf=leaf_builder,
)
"""By the letter of RFC 8259: no NaN, no byte order mark, no lone surrogate; integers of
any size, the last of duplicate keys wins."""
