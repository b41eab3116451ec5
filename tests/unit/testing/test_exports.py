from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from sabot import testing

HOME = Path(testing.__file__)


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_can_be_had(name: str) -> None:
    assert getattr(testing, name) is not None


def test_what_type_checkers_see_is_what_is_exported() -> None:
    tree = ast.parse(HOME.read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(testing.__all__)


def test_a_missing_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Drivr'"):
        _ = testing.Drivr  # type: ignore[attr-defined]


def test_the_plugin_costs_a_test_run_that_needs_none_of_it_nothing() -> None:
    code = "import sys, sabot.testing.pytest_plugin\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"pyarrow", "confluent_kafka", "sabot.testing.driver"}
