from __future__ import annotations

import json
from pathlib import Path

import pytest

from sabot._optional import require
from sabot.errors import DISTRIBUTION, MissingDependencyError


def test_a_package_that_is_there_is_returned() -> None:
    assert require("json", extra="none", needed_by="this") is json


def test_a_missing_package_says_what_to_type() -> None:
    with pytest.raises(MissingDependencyError) as caught:
        require("no_such_package.part", extra="avro", needed_by="the Avro codec")
    assert str(caught.value) == (
        f"the Avro codec needs 'no_such_package.part'; run: pip install '{DISTRIBUTION}[avro]'"
    )


def test_a_package_that_fails_inside_is_not_taken_for_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import what_it_needs_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs_is_missing") as caught:
        require("broken_package", extra="avro", needed_by="the Avro codec")
    assert not isinstance(caught.value, MissingDependencyError)
