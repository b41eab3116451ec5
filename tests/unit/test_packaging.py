from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# Extras for work on Sabot, which `all` leaves out.
NOT_IN_ALL = {"all", "dev"}
ASKS_FOR_AN_EXTRA = ("require", "MissingDependencyError")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_all_brings_every_extra() -> None:
    declared = project()["optional-dependencies"]
    (everything,) = declared["all"]
    listed = set(re.findall(r"[\w-]+", everything.partition("[")[2]))
    assert listed == set(declared) - NOT_IN_ALL


def test_every_extra_that_an_error_names_is_declared() -> None:
    declared = project()["optional-dependencies"]
    named = {
        keyword.value.value
        for path in (ROOT / "sabot").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(ASKS_FOR_AN_EXTRA)
        for keyword in call.keywords
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Constant)
    }
    assert named - set(declared) == set()


def test_types_are_shipped() -> None:
    assert (ROOT / "sabot" / "py.typed").is_file()
