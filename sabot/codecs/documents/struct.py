"""Arrow fields as the type that one document is decoded into.

Attributes are named ``f0``, ``f1``, … by position and looked for by the field's name, so
that every key works: ``class``, ``_id``, the empty string.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from sabot.codecs.documents.names import stand_in

__all__ = ["attribute", "document_type", "is_bytes", "is_list", "scalar_annotation"]

ScalarAnnotation = Callable[[pa.DataType, bool], Any]

_FLOAT_MAX = {pa.float16().id: 65504.0, pa.float32().id: 3.4028234663852886e38}


def attribute(position: int) -> str:
    """Name the attribute that holds the field at ``position``."""
    return f"f{position}"


def document_type(
    fields: Sequence[pa.Field], scalar: ScalarAnnotation, *, closed: bool
) -> type[msgspec.Struct]:
    """Make the type for objects with these fields, each of which may be missing or null.

    Args:
        fields: The fields of a schema or of a struct type.
        scalar: The format's Python type for an Arrow type that holds no others.
        closed: Whether a key that is no field is an error, here and in nested objects.
    """
    # Instances hold no cycles, so the collector need not look at ten thousand of them.
    return msgspec.defstruct(
        "Document",
        [
            (attribute(position), annotation(field.type, scalar, closed=closed), None)
            for position, field in enumerate(fields)
        ],
        rename={attribute(position): stand_in(field.name) for position, field in enumerate(fields)},
        gc=False,
        forbid_unknown_fields=closed,
    )


def annotation(kind: pa.DataType, scalar: ScalarAnnotation, *, closed: bool) -> Any:
    """Return the Python type that values are checked against; null is always allowed."""
    if pa.types.is_struct(kind):
        return document_type(list(kind), scalar, closed=closed) | None
    if pa.types.is_map(kind):
        return dict[str, annotation(kind.item_type, scalar, closed=closed)] | None  # type: ignore[misc]
    if is_list(kind):
        return list[annotation(kind.value_type, scalar, closed=closed)] | None  # type: ignore[misc]
    return scalar(kind, closed)


def is_bytes(kind: pa.DataType) -> bool:
    """Say whether values of this type are bytes."""
    return any(
        check(kind)
        for check in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
        )
    )


def is_list(kind: pa.DataType) -> bool:
    """Say whether values of this type are lists."""
    return any(
        check(kind)
        for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    )


@cache
def scalar_annotation(kind: pa.DataType, closed: bool) -> Any:
    """Return the Python type for values that are no container, as JSON has them."""
    if pa.types.is_null(kind):
        return None
    if pa.types.is_boolean(kind):
        return bool | None
    if pa.types.is_integer(kind):
        return _integer(kind) | None
    if pa.types.is_floating(kind):
        return _floating(kind) | None
    if pa.types.is_decimal(kind):
        return Decimal | None
    if is_bytes(kind):
        return bytes | None
    # Text, or a number where text says the same: see `sabot.codecs.documents.schema_option`.
    return str | None if closed else str | int | None


def _integer(kind: pa.DataType) -> Any:
    bits = kind.bit_width
    if pa.types.is_signed_integer(kind):
        return Annotated[int, msgspec.Meta(ge=-(1 << bits - 1), le=(1 << bits - 1) - 1)]
    if bits == 64:
        # msgspec takes no bound that is itself beyond int64; Arrow refuses what is above.
        return Annotated[int, msgspec.Meta(ge=0)]
    return Annotated[int, msgspec.Meta(ge=0, le=(1 << bits) - 1)]


def _floating(kind: pa.DataType) -> Any:
    limit = _FLOAT_MAX.get(kind.id)
    return float if limit is None else Annotated[float, msgspec.Meta(ge=-limit, le=limit)]
