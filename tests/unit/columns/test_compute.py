from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot import Stream
from sabot.columns.compute import complete_compute


def test_is_not_null_is_there_for_a_steps_function() -> None:
    rows = Stream.from_pylist([{"id": 1}, {"id": None}])
    assert rows.filter(lambda b: pc.is_not_null(b["id"])).to_pylist() == [{"id": 1}]


def test_a_function_that_pyarrow_has_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pc, "is_not_null", "pyarrow's own", raising=False)
    complete_compute()
    assert pc.is_not_null == "pyarrow's own"


def test_it_says_the_opposite_of_is_null() -> None:
    complete_compute()
    values = pa.array([1.5, None, float("nan")])
    assert pc.is_not_null(values).to_pylist() == pc.invert(pc.is_null(values)).to_pylist()
