"""What ``$ref`` leads to, within a schema and in those it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urldefrag

__all__ = ["References"]


class References:
    """A schema and the schemas it refers to.

    Args:
        schema: The schema.
        others: The others, by the names that it uses for them.
    """

    root = ""
    """The name of the schema itself."""

    def __init__(self, schema: Any, others: Mapping[str, Any]) -> None:
        self._documents = {self.root: schema, **others}

    def document(self, uri: str) -> tuple[Any, str] | None:
        """Return the schema that a URI means, and its name; ``None`` where there is none."""
        for name, document in self._documents.items():
            identity = document.get("$id") if isinstance(document, Mapping) else None
            if uri in (name, identity) or (name and uri.endswith(f"/{name}")):
                return document, name
        return None

    def find(self, target: str, base: str) -> tuple[Any, str]:
        """Return what ``target`` means in the schema called ``base``, and where that is.

        It is ``None`` where it leads to nothing known.

        Example:
            >>> schema = {"definitions": {"id": {"type": "integer"}}}
            >>> References(schema, {}).find("#/definitions/id", "")
            ({'type': 'integer'}, '')
        """
        uri, fragment = urldefrag(target)
        if uri:
            there = self.document(uri)
            if there is None:
                return None, base
            found, base = there
        else:
            found = self._documents[base]
        if fragment and not fragment.startswith("/"):
            # An anchor: rare, and to be found only by a search.
            return None, base
        for part in fragment.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            else:
                return None, base
        return found, base
