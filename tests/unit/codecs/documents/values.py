"""Random documents, and how each format's reference library writes and reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack
from hypothesis import strategies as st

from sabot.codecs import JsonCodec, MsgpackCodec

__all__ = ["JSON", "MSGPACK", "TEXT", "FormatCase"]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
KEYS = st.sampled_from(["a", "b", "class", "", "_x", 'q"', "ü"]) | TEXT


@dataclass(frozen=True)
class FormatCase:
    """A format.

    Attributes:
        codec: Makes a codec.
        dump, load: The reference library's.
        scalars: Values that hold no others.
        bad: Bytes of which none is a record that goes with `simple` ones.
        leaves: Further members of simple documents.
    """

    codec: type[JsonCodec | MsgpackCodec]
    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]
    scalars: st.SearchStrategy[Any]
    bad: st.SearchStrategy[bytes]
    leaves: dict[str, st.SearchStrategy[Any]]

    @property
    def values(self) -> st.SearchStrategy[Any]:
        """Anything, nested."""
        return st.recursive(
            self.scalars,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
            max_leaves=8,
        )

    @property
    def documents(self) -> st.SearchStrategy[dict[str, Any]]:
        """Objects of anything."""
        return st.dictionaries(KEYS, self.values, max_size=4)

    @property
    def simple(self) -> st.SearchStrategy[dict[str, Any]]:
        """Objects with fields of few types, so that most of them agree."""
        return st.fixed_dictionaries(
            {},
            optional={
                "id": st.integers(-(2**63), 2**63 - 1),
                "x": st.none() | st.integers(-5, 5) | st.floats(-5, 5),
                "t": st.none() | TEXT,
                "n": st.none()
                | st.fixed_dictionaries(
                    {}, optional={"p": st.integers(0, 9), "q": st.lists(st.floats(0, 1))}
                ),
                "l": st.lists(st.none() | st.fixed_dictionaries({"k": st.booleans()}), max_size=2),
                **self.leaves,
            },
        )


JSON = FormatCase(
    codec=JsonCodec,
    dump=lambda value: json.dumps(value, ensure_ascii=False).encode(),
    load=json.loads,
    scalars=st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    bad=st.sampled_from([b"", b"[]", b"{", b'{"id":"x"}', b'{"t":1}', b'{"n":[]}', b'{"id":NaN}']),
    leaves={},
)
MSGPACK = FormatCase(
    codec=MsgpackCodec,
    dump=msgpack.packb,
    load=msgpack.unpackb,
    scalars=st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=4),
    bad=st.binary(max_size=8),
    leaves={"v": st.none() | st.binary(max_size=3)},
)
