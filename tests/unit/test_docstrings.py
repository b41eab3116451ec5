"""Everything a user may call says what it does."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

MODULES = ["sabot.api", "sabot.api.stream", "sabot.app.app", "sabot.kafka.source"]


def public(module: str) -> Iterator[tuple[str, Any]]:
    """Yield the module, what it exports, and the public members of exported classes."""
    loaded = importlib.import_module(module)
    yield module, loaded
    for name in loaded.__all__:
        thing = getattr(loaded, name)
        if not (inspect.isclass(thing) or inspect.isroutine(thing)):
            continue
        yield f"{module}.{name}", thing
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            for member, value in vars(thing).items():
                if member.startswith("_"):
                    continue
                if isinstance(value, property | classmethod | staticmethod) or inspect.isroutine(
                    value
                ):
                    yield f"{module}.{name}.{member}", getattr(thing, member)


THINGS = [pair for module in MODULES for pair in public(module)]


@pytest.mark.parametrize(("name", "thing"), THINGS, ids=[name for name, _ in THINGS])
def test_what_is_public_has_a_docstring_of_its_own(name: str, thing: Any) -> None:
    words = (thing.__doc__ or "").strip()
    assert words, f"{name} has no docstring"
    assert words.splitlines()[0].rstrip().endswith((".", ":")), f"{name}: a sentence comes first"


def test_the_list_is_not_empty() -> None:
    names = {name for name, _ in THINGS}
    assert "sabot.api.stream.Stream.filter" in names
    assert "sabot.app.app.App.agent" in names
    assert "sabot.kafka.source.KafkaSource" in names
