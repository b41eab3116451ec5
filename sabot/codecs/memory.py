"""Where a codec keeps what it infers, so that it need not infer it again.

A codec that infers types decides by the records it has met. Without a memory a restart
begins with nothing, and the first record that arrives then decides which of the others
are bad.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import pyarrow as pa

__all__ = ["LearningCodec", "SchemaMemory"]


class SchemaMemory(Protocol):
    """Remembers the inferred schema of one topic, for all who read it together.

    It only ever widens. A call may do I/O and take as long; one that fails with an error
    that is ``retriable`` has changed nothing the caller could see and may be repeated.
    """

    def known(self) -> pa.Schema | None:
        """Return what is remembered now, or ``None`` if nothing is."""
        ...

    def widened(self, schema: pa.Schema) -> pa.Schema:
        """Remember a wider schema, and return what holds from now on.

        When it returns, that is durable. It holds all of ``schema`` and all that others
        have added; but where others were first with a type that does not go together
        with this one, it is theirs, and none of ``schema`` is taken.
        """
        ...


@runtime_checkable
class LearningCodec(Protocol):
    """A codec that infers a schema and can be given a memory for it."""

    def remember(self, memory: SchemaMemory) -> None:
        """Begin with what the memory knows, and tell it of every change before using it.

        What the codec has inferred before is forgotten. Without effect where a schema
        is pinned.
        """
        ...
