from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.operators import MapOperator
from tests.batches import batch_of

BATCH = batch_of({"id": [1, 2, 3]})


def test_the_function_is_called_once_per_batch() -> None:
    sizes: list[int] = []

    def function(b: Any) -> Any:
        sizes.append(b.num_rows)
        return b.append_column("flagged", pc.scalar(True))

    operator = MapOperator(function)
    assert operator.repeatable
    assert operator.process(BATCH).columns.to_pylist()[0] == {"id": 1, "flagged": True}
    assert sizes == [3]


def test_a_function_that_is_not_repeatable_gets_each_row_once() -> None:
    seen: list[list[int]] = []

    def function(b: Any) -> Any:
        seen.append(b["id"].to_pylist())
        return b.set_column(0, "id", b["id"] * 10) if seen[-1] != [2] else b.slice(0, 0)

    operator = MapOperator(function, repeatable=False)
    assert not operator.repeatable
    made = operator.process(BATCH)
    assert seen == [[1], [2], [3]]
    assert made.columns["id"].to_pylist() == [10, 30]
    assert made.record_numbers() == [0, 2]


def test_a_function_that_is_not_repeatable_is_not_tried_again_with_a_real_batch() -> None:
    calls: list[int] = []

    def function(b: Any) -> Any:
        calls.append(1)
        return pa.Table.from_batches([b])

    with pytest.raises(TypeError):
        MapOperator(function, repeatable=False).process(BATCH)
    assert calls == [1]
    assert (
        MapOperator(function, repeatable=False, raw=True)
        .process(BATCH)
        .columns.equals(BATCH.columns)
    )


def test_one_row_at_a_time_keeps_columns_that_were_not_touched() -> None:
    made = MapOperator(lambda b: b.append_column("n", 1), repeatable=False).process(BATCH)
    assert made.intact == {"id"}
    assert made.record_numbers() == [0, 1, 2]
