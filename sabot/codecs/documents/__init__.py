"""Documents: records of named values that carry no schema, as typed columns.

JSON and MessagePack differ in how a value is written, not in what has to be done: infer
types and widen them, decode at C speed into structs of those types, look closely at the
record that is not as expected, and make columns. What they share is here; a format brings
`sabot.codecs.documents.format.Format`.
"""

from __future__ import annotations

__all__: list[str] = []
