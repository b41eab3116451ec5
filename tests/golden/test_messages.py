"""The words of the errors a plan earns, letter by letter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sabot.api.stream import Stream
from sabot.app.app import App
from sabot.errors import SabotError
from sabot.plan.outputs import collecting

ROWS = Stream.from_pylist([{"n": 1}])


def orders(**options: Any) -> Stream:
    return Stream.from_kafka("localhost:9092", "orders", "billing", **options)


CASES: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: ROWS.filter(5),  # type: ignore[arg-type]
        "PlanError: filter takes a function of a record batch; got int 5",
    ),
    (
        lambda: ROWS.map("upper"),  # type: ignore[arg-type]
        "PlanError: map takes a function of a record batch; got str 'upper'",
    ),
    (
        lambda: ROWS.flat_map(None),  # type: ignore[arg-type]
        "PlanError: flat_map takes a function of a record batch; got NoneType None",
    ),
    (ROWS.select, "PlanError: select takes one or more column names; got ()"),
    (
        lambda: ROWS.select("a", 5),  # type: ignore[arg-type]
        "PlanError: select takes one or more column names; got ('a', 5)",
    ),
    (ROWS.drop, "PlanError: drop takes one or more column names; got ()"),
    (
        lambda: ROWS.rename({}),
        "PlanError: rename takes a mapping of old to new names; got {}",
    ),
    (
        lambda: ROWS.rename("a"),  # type: ignore[arg-type]
        "PlanError: rename takes a mapping of old to new names; got 'a'",
    ),
    (ROWS.with_columns, "PlanError: with_columns needs at least one column"),
    (ROWS.union, "PlanError: union takes one or more streams; got ()"),
    (
        lambda: ROWS.union(5),  # type: ignore[arg-type]
        "PlanError: union takes one or more streams; got (5,)",
    ),
    (
        lambda: orders().union(Stream.from_kafka("localhost:9092", "refunds", "other")),
        (
            "ConfigurationError: union needs sources of one cluster and one group_id, since one "
            "commit must cover them; got kafka 'orders' (json), group 'billing' at localhost:9092; "
            "kafka 'refunds' (json), group 'other' at localhost:9092"
        ),
    ),
    (
        lambda: orders().union(ROWS),
        (
            "ConfigurationError: union needs sources of one cluster and one group_id, since one "
            "commit must cover them; got kafka 'orders' (json), group 'billing' at localhost:9092; "
            "memory, 1 rows in 1 batches"
        ),
    ),
    (
        lambda: Stream.from_batches([{"n": 1}]),
        (
            "SchemaMismatchError: from_batches takes pyarrow.RecordBatch or pyarrow.Table; item 0 "
            "is dict; for dicts use Stream.from_pylist"
        ),
    ),
    (
        lambda: ROWS.to_kafka("localhost:9092", ""),
        "ConfigurationError: topic must be a topic's name; got ''",
    ),
    (
        lambda: ROWS.to_kafka("", "out"),
        "ConfigurationError: bootstrap_servers must be 'host:port'; got ''",
    ),
    (
        lambda: ROWS.to_kafka("localhost:9092", "out", compression_type="zst"),
        (
            "ConfigurationError: compression_type is 'zst'; allowed are none, gzip, snappy, lz4, "
            "zstd; did you mean 'zstd'?"
        ),
    ),
    (
        lambda: ROWS.to_kafka("localhost:9092", "out", key_extractor=5),  # type: ignore[arg-type]
        "ConfigurationError: key_extractor must be a function of a dict or a column's name; got 5",
    ),
    (
        lambda: orders().collect(),
        (
            "PlanError: collect() on kafka 'orders' (json), group 'billing' at localhost:9092 "
            "would never return; give it limit= (rows), timeout= (seconds) or both"
        ),
    ),
    (
        lambda: ROWS.for_each(print).commit(),
        "PlanError: output 'for_each-1' is not running; there is nothing to commit",
    ),
    (
        lambda: App(""),
        "ConfigurationError: an app's id must be a text that is not empty; got ''",
    ),
    (
        lambda: App("a", broker=""),
        "ConfigurationError: broker must be 'host:port' or 'embedded://'; got ''",
    ),
    (
        lambda: App("a").worker(),
        (
            "PlanError: there is nothing to run: no output was defined; end a stream with "
            "to_kafka(...) or for_each(...)"
        ),
    ),
    (
        lambda: App("a").add(ROWS),  # type: ignore[arg-type]
        "PlanError: add takes what to_kafka or for_each returned; got Stream",
    ),
    (
        lambda: App("b").add(App("a").stream("orders").for_each(print)),
        "PlanError: output 'for_each-1' belongs to app 'a' already",
    ),
    (
        lambda: App("a").agent("orders")(lambda stream: None),
        (
            "PlanError: agent '<lambda>' must be written with 'async def' and take the stream as "
            "its argument"
        ),
    ),
]


@pytest.mark.parametrize(
    ("slip", "words"), CASES, ids=[str(number) for number in range(len(CASES))]
)
def test_a_slip_is_answered_in_these_words(slip: Callable[[], Any], words: str) -> None:
    with collecting(), pytest.raises(SabotError) as caught:
        slip()
    assert f"{type(caught.value).__name__}: {caught.value}" == words
