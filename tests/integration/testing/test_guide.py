"""The fault test of docs/testing.md, as it is written there, on the real broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sabot.testing.pytest_plugin import FaultWorker, KafkaProxy
from tests.broker import Kafka
from tests.docs.blocks import python_blocks

PAGE = Path(__file__).resolve().parents[3] / "docs" / "testing.md"


@pytest.mark.slow
def test_the_fault_test_of_the_page_passes(
    kafka_behind_proxy: Kafka, kafka_proxy: KafkaProxy, fault_worker: FaultWorker, tmp_path: Path
) -> None:
    kafka = kafka_behind_proxy
    orders, shipped, shop = (kafka.unique(name) for name in ("orders", "shipped", "shop"))
    for topic in (orders, shipped):
        kafka.create_topic(topic, 2)
    (block,) = (one for one in python_blocks(PAGE) if one.heading == "When things fail")
    code = block.code
    for written, meant in (
        ("localhost:9092", kafka.bootstrap),
        ("localhost:9192", str(kafka.behind_proxy)),
        ("9292", str(kafka.proxied_port)),
        ('"orders"', f'"{orders}"'),
        ('"shipped"', f'"{shipped}"'),
        ('App("shop"', f'App("{shop}"'),
        ('group="shop"', f'group="{shop}"'),
    ):
        assert written in code
        code = code.replace(written, meant)
    names: dict[str, Any] = {}
    exec(block.compile(code), names)
    names["test_no_order_is_lost"](kafka_proxy, fault_worker, tmp_path)
