from __future__ import annotations

from sabot.console.rates import OutputRate, rates
from sabot.runtime.statistics import PipelineStatistics, WorkerStatistics


def look(seconds: float, records_in: int, **records_out: int) -> WorkerStatistics:
    pipeline = PipelineStatistics(
        "fraud", "pipeline", "running", records_in, records_out, restarts=1, depth=5
    )
    return WorkerStatistics("fraud", "running", seconds, (pipeline,))


def test_the_first_look_counts_from_the_start() -> None:
    (rate,) = rates(None, look(2.0, 100, out=10))
    assert (rate.per_second, rate.outputs) == (50.0, (OutputRate("out", 10, 5.0),))


def test_two_looks_give_the_speed_between_them() -> None:
    (rate,) = rates(look(2.0, 100, out=10), look(4.0, 400, out=16))
    assert (rate.records, rate.per_second) == (400, 150.0)
    assert rate.outputs == (OutputRate("out", 16, 3.0),)


def test_the_rest_is_taken_over() -> None:
    (rate,) = rates(None, look(2.0, 100))
    assert (rate.name, rate.state, rate.waiting, rate.restarts) == ("fraud", "running", 5, 1)


def test_a_counter_that_went_down_counts_from_nothing() -> None:
    (rate,) = rates(look(2.0, 100), look(4.0, 30))
    assert rate.per_second == 15.0


def test_two_looks_at_one_moment_have_no_speed() -> None:
    (rate,) = rates(look(2.0, 100), look(2.0, 100))
    assert rate.per_second == 0.0


def test_a_pipeline_that_is_new_counts_from_nothing() -> None:
    (rate,) = rates(WorkerStatistics("fraud", "starting", 1.0, ()), look(2.0, 100))
    assert rate.per_second == 100.0
