"""What a document format brings, so that its records can be read as columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from sabot.codecs.documents.columns import ArrayBuilder

__all__ = ["NOT_A_DOCUMENT", "Canonical", "Format", "reason"]

NOT_A_DOCUMENT = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding raises for bytes that are not the document that was asked for."""


class Canonical(Protocol):
    """Rewrites a document so that each key occurs once, and can be looked for."""

    def __call__(self, value: bytes, /, *, stand_ins: bool) -> bytes:
        """Return the document with the last of each key.

        Args:
            value: The document.
            stand_ins: Whether keys that a struct cannot look for get their
                `sabot.codecs.documents.names.stand_in`.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """A document format.

    Attributes:
        title: What people call it.
        is_text: Whether a document is text as a whole. Members that are ignored are
            skipped without a look, so their text has to be checked beforehand.
        decoder: Makes the function that decodes bytes into a type.
        parse: Decodes bytes into Python's own types, exactly.
        canonical: Rewrites a document.
        annotation: The Python type for values of an Arrow type that holds no others; the
            second argument says that the Arrow type was inferred.
        leaf: What makes arrays of such a type.
    """

    title: str
    is_text: bool
    decoder: Callable[[Any], Callable[[Any], Any]]
    parse: Callable[[Any], Any]
    canonical: Canonical
    annotation: Callable[[pa.DataType, bool], Any]
    leaf: Callable[[pa.DataType], ArrayBuilder]

    def reason(self, error: Exception) -> str:
        """Say what is wrong with a document, by the exception its decoding raised."""
        return reason(error, self.title)


def reason(error: Exception, title: str) -> str:
    """Say what is wrong with a document of the format called ``title``."""
    if isinstance(error, RecursionError):
        return "the value is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        text = str(error)
        return text[:1].lower() + text[1:]
    if isinstance(error, UnicodeDecodeError):
        return f"the value is not valid UTF-8: {error.reason} at byte {error.start} of a string"
    text = (
        str(error)
        .removeprefix(f"{title} is malformed: ")
        .removeprefix(f"{title} data is malformed: ")
    )
    return f"the value is not valid {title}: {text[:1].lower()}{text[1:]}"
