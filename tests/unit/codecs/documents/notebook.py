"""A memory for inferred schemas that is as short-lived as a test."""

from __future__ import annotations

import pyarrow as pa

from sabot.codecs.documents.union import union
from sabot.errors import SchemaMismatchError

__all__ = ["Notebook"]


class Notebook:
    """A memory that several decoders of a process share.

    Args:
        known: What it knows from before.
        meanwhile: What somebody else writes just before the next schema.
    """

    def __init__(self, known: pa.Schema | None = None, meanwhile: pa.Schema | None = None) -> None:
        self.schema = known
        self.meanwhile = meanwhile
        self.told: list[pa.Schema] = []
        self.fails_with: Exception | None = None

    def known(self) -> pa.Schema | None:
        return self.schema

    def widened(self, schema: pa.Schema) -> pa.Schema:
        if self.fails_with is not None:
            raise self.fails_with
        self.told.append(schema)
        for wanted in (self.meanwhile, schema):
            try:
                self.schema = self._with(wanted)
            except SchemaMismatchError:
                continue
        assert self.schema is not None
        return self.schema

    def _with(self, wanted: pa.Schema | None) -> pa.Schema | None:
        if wanted is None or self.schema is None:
            return self.schema if wanted is None else wanted
        return union(self.schema, wanted)
