"""What ``explain()`` prints, letter by letter. Line numbers of this file are left out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sabot.api.stream import OutputStream, Stream
from sabot.app.app import App
from sabot.plan.explain import describe, explain
from sabot.plan.outputs import collecting


def plain(text: str) -> str:
    """Leave out the lines functions stand in, which change with the file."""
    return re.sub(r"(\(test_explain\.py):\d+\)", r"\1)", text)


def large(batch: Any) -> Any:
    return batch["amount"] > 1000


def enrich(batch: Any) -> Any:
    return batch


def orders() -> Stream:
    return Stream.from_kafka("localhost:9092", "orders", "billing")


def outputs(*ends: OutputStream) -> str:
    return plain(explain([end.output.node for end in ends]))


def test_a_straight_pipeline() -> None:
    with collecting():
        end = (
            orders()
            .filter(large)
            .map(enrich, repeatable=False)
            .flat_map(enrich)
            .select("id", "amount")
            .drop("amount")
            .rename({"id": "order", "day": "date"})
            .with_columns(unit="eur", total=enrich)
            .to_kafka("localhost:9092", "large-orders", key_extractor="order")
        )
    assert plain(end.explain()) == (
        """\
kafka 'orders' (json), group 'billing' at localhost:9092
└─ filter-1: large (test_explain.py)
   └─ map-1: enrich (test_explain.py), one row at a time
      └─ flat_map-1: enrich (test_explain.py)
         └─ select-1: id, amount
            └─ drop-1: amount
               └─ rename-1: id -> order, day -> date
                  └─ with_columns-1: unit, total
                     └─ to_kafka:large-orders: kafka 'large-orders' (json, lz4) at localhost:9092"""
    )


def test_a_fan_out_prints_what_is_shared_once() -> None:
    with collecting():
        shared = orders().filter(large)
        a = shared.to_kafka("localhost:9092", "a")
        b = shared.map(enrich).to_kafka("localhost:9092", "b", compression_type="zstd")
        c = shared.for_each(print, name="show")
    assert outputs(a, b, c) == (
        """\
kafka 'orders' (json), group 'billing' at localhost:9092
└─ filter-1: large (test_explain.py)
   ├─ to_kafka:a: kafka 'a' (json, lz4) at localhost:9092
   ├─ map-1: enrich (test_explain.py)
   │  └─ to_kafka:b: kafka 'b' (json, zstd) at localhost:9092
   └─ show: print"""
    )


def test_a_union_is_printed_under_its_first_member_and_named_under_the_others() -> None:
    with collecting():
        refunds = Stream.from_kafka("localhost:9092", "refunds", "billing")
        end = orders().filter(large).union(refunds).to_kafka("localhost:9092", "out")
    assert outputs(end) == (
        """\
kafka 'orders' (json), group 'billing' at localhost:9092
└─ filter-1: large (test_explain.py)
   └─ union-1: 2 streams
      └─ to_kafka:out: kafka 'out' (json, lz4) at localhost:9092
kafka 'refunds' (json), group 'billing' at localhost:9092
└─ union-1 (above)"""
    )


def test_outputs_that_share_nothing_stand_below_one_another() -> None:
    with collecting():
        a = orders().for_each(print)
        b = Stream.from_pylist([{"n": 1}, {"n": 2}]).for_each(print)
    assert outputs(a, b) == (
        """\
kafka 'orders' (json), group 'billing' at localhost:9092
└─ for_each-1: print
memory, 2 rows in 1 batches
└─ for_each-1: print"""
    )


def test_an_app_prints_its_agents_too() -> None:
    with collecting():
        app = App("shop", broker="localhost:9092")
        with pytest.warns(DeprecationWarning, match="one event at a time"):

            @app.agent("clicks")
            async def count(stream: Any) -> None: ...

        app.stream("orders").filter(large).for_each(print)
        text = plain(app.explain())
    assert text == (
        """\
kafka 'clicks' (json), group 'shop' at localhost:9092
└─ agent:count: count (test_explain.py), one event at a time
kafka 'orders' (json), group 'shop' at localhost:9092
└─ filter-1: large (test_explain.py)
   └─ for_each-1: print"""
    )


def test_nothing_has_nothing_to_print() -> None:
    assert explain([]) == ""


def test_what_is_no_node_is_refused() -> None:
    with pytest.raises(TypeError, match="not a plan node: 5"):
        describe(5)
