"""The package's surface, and what importing it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sabot
from sabot import errors

ROOT = Path(__file__).resolve().parents[2]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_importing_sabot_loads_nothing_of_weight() -> None:
    loaded = set(run("import sabot, sys\nprint(*sys.modules)").split())
    heavy = {"pyarrow", "confluent_kafka", "click", "structlog", "aiohttp", "msgspec", "asyncio"}
    assert not loaded & heavy
    assert {name for name in loaded if name.startswith("sabot")} == {"sabot"}


@pytest.mark.slow
def test_importing_sabot_takes_little_time() -> None:
    code = "import time\nt = time.process_time()\nimport sabot\nprint(time.process_time() - t)"
    assert min(float(run(code)) for _ in range(3)) < 0.1


@pytest.mark.parametrize("name", sabot.__all__)
def test_every_name_can_be_had(name: str) -> None:
    assert getattr(sabot, name) is not None


def test_every_error_is_exported() -> None:
    classes = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert classes <= set(sabot.__all__)


def test_what_type_checkers_see_is_what_is_exported() -> None:
    tree = ast.parse((ROOT / "sabot" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen | {"__version__"} == set(sabot.__all__)


def test_a_missing_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'sabot' has no attribute 'Steam'"):
        _ = sabot.Steam  # type: ignore[attr-defined]


def test_dir_lists_the_surface() -> None:
    assert set(sabot.__all__) <= set(dir(sabot))
