"""In how many ways a JSON Schema looks at one place of a document.

A few lines of a schema can ask for a billion looks: each definition asks twice for the
next one. Where they are looks at the same place, a validator takes that many steps over
an empty document, and builds as many reasons why it is not valid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sabot.codecs.json_schema.references import References
from sabot.errors import CodecError

__all__ = ["MAX_WAYS", "Breadth"]

MAX_WAYS = 100_000
"""In how many ways a schema may look at one place."""

_MAX_STEPS = 1_000_000
_LISTS = ("allOf", "anyOf", "oneOf")
_ONES = ("not", "if", "then", "else")
_MAPS = ("dependentSchemas", "dependencies")
_ALL = "*"
_ITEM = ""

_Place = tuple[int, str]


class Breadth:
    """Counts the ways of one schema.

    What refers to itself counts once: the validator remembers what it found there.

    Args:
        schema: The schema.
        references: Where it leads.

    Attributes:
        ways: The most ways to one place.
        circular: Whether something refers to itself.

    Raises:
        CodecError: If there are more than `MAX_WAYS`.

    Example:
        >>> once = {"type": "string"}
        >>> Breadth({"anyOf": [once, {"not": once}]}, References({}, {})).ways
        2
    """

    def __init__(self, schema: Any, references: References) -> None:
        self._references = references
        self._steps = 0
        self._here: dict[_Place, Counter[_Place]] = {}
        self._below: dict[_Place, int] = {}
        self._schemas: dict[_Place, Mapping[str, Any]] = {}
        self.circular = False
        try:
            self.ways = self._deepest(schema, references.root)
        except RecursionError:
            raise CodecError("the JSON Schema is nested too deeply") from None
        if self.ways > MAX_WAYS:
            raise CodecError(
                f"the JSON Schema looks at one place of a document in more than {MAX_WAYS} ways"
            )

    def _deepest(self, schema: Any, base: str) -> int:
        """Return the most ways to one place in what a schema judges."""
        if not isinstance(schema, Mapping):
            return 1
        place = (id(schema), base)
        found = self._below.get(place)
        if found is not None:
            self.circular = self.circular or found == 0
            return max(found, 1)
        self._below[place] = 0
        inner: Counter[str] = Counter()
        total = 0
        for one, times in self._parts(schema, base).items():
            total += times
            for name, child in _children(self._schemas[one]):
                self._step()
                inner[name] += times * self._deepest(child, one[1])
        everywhere = inner.pop(_ALL, 0)
        most = max([total, everywhere, *(times + everywhere for times in inner.values())])
        self._below[place] = most
        return most

    def _parts(self, schema: Any, base: str) -> Counter[_Place]:
        """Return the schemas that judge the same place, with how often each does."""
        place = (id(schema), base)
        found = self._here.get(place)
        if found is not None:
            self.circular = self.circular or not found
            return found
        self._here[place] = Counter()
        self._schemas[place] = schema
        parts: Counter[_Place] = Counter()
        for part, where in self._same_place(schema, base):
            for one, times in self._parts(part, where).items():
                self._step()
                parts[one] += times
        # What only leads on is no look of its own.
        if not parts or any(True for _ in _children(schema)):
            parts[place] += 1
        self._here[place] = parts
        return parts

    def _same_place(self, schema: Mapping[str, Any], base: str) -> Iterator[tuple[Any, str]]:
        target = schema.get("$ref")
        if isinstance(target, str):
            found, where = self._references.find(target, base)
            if isinstance(found, Mapping):
                yield found, where
        for part in _parts_of(schema):
            if isinstance(part, Mapping):
                yield part, base

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise CodecError("the JSON Schema leads to too many others")


def _parts_of(schema: Mapping[str, Any]) -> Iterator[Any]:
    for keyword in _LISTS:
        parts = schema.get(keyword)
        if isinstance(parts, list):
            yield from parts
    for keyword in _ONES:
        yield schema.get(keyword)
    for keyword in _MAPS:
        parts = schema.get(keyword)
        if isinstance(parts, Mapping):
            yield from parts.values()


def _children(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the schemas that judge what stands within, by the member's name."""
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        yield from ((f"{name}.", child) for name, child in properties.items())
    patterns = schema.get("patternProperties")
    if isinstance(patterns, Mapping):
        yield from ((_ALL, child) for child in patterns.values())
    for keyword in ("additionalProperties", "unevaluatedProperties", "propertyNames"):
        if isinstance(schema.get(keyword), Mapping):
            yield _ALL, schema[keyword]
    for keyword in ("items", "prefixItems", "additionalItems", "unevaluatedItems", "contains"):
        child = schema.get(keyword)
        if isinstance(child, list):
            yield from ((f"{keyword}{number}", each) for number, each in enumerate(child))
        elif isinstance(child, Mapping):
            yield _ITEM, child
