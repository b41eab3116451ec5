"""Transactions that the broker aborts while their worker cannot be heard: row 26."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import OffsetSpec

from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from sabot.testing import Action, FaultProxy, Oracle, blackhole_response, drop
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

EXACT: dict[str, Any] = {**FAST, "processing_guarantee": "exactly_once"}

# The transaction is open in each case: its end never arrives, the rest does.
STEPS = {
    "produce": ("Produce", blackhole_response()),
    "send_offsets": ("TxnOffsetCommit", blackhole_response()),
    "commit": ("EndTxn", drop()),
}


def has_open_transaction(kafka: Kafka, topic: str) -> bool:
    """Whether readers of committed records may not yet have all of a topic."""

    def end(level: IsolationLevel) -> int:
        asked = {TopicPartition(topic, 0): OffsetSpec.latest()}
        found = kafka.admin.list_offsets(asked, isolation_level=level, request_timeout=10)
        (answer,) = found.values()
        offset: int = answer.result().offset
        return offset

    return end(IsolationLevel.READ_COMMITTED) < end(IsolationLevel.READ_UNCOMMITTED)


@pytest.mark.parametrize(("request_type", "action"), STEPS.values(), ids=list(STEPS))
def test_a_transaction_that_times_out_in_the_dark_is_done_again_and_seen_once(
    kafka_behind_proxy: Kafka, proxy: FaultProxy, request_type: str, action: Action
) -> None:
    kafka = kafka_behind_proxy
    source, sink = (kafka.create_topic(kafka.unique(name), 1) for name in ("in", "out"))
    group = kafka.unique("g")
    oracle = Oracle(kafka.bootstrap, source)

    def define(app: App) -> None:
        read = app.stream(source, bootstrap_servers=proxy.bootstrap, **EXACT)
        read.to_kafka(proxy.bootstrap, sink)

    oracle.write(100)
    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 100})
        rule = proxy.on(request_type, action)
        oracle.write(100)
        rule.wait()
        until(lambda: has_open_transaction(kafka, sink), what="an open transaction")
        proxy.blackhole()
        # The broker's time-out: it is the one who ends it.
        until(lambda: not has_open_transaction(kafka, sink), what="an abort", timeout=45)
        assert kafka.committed(group, source) == {0: 100}
        proxy.heal()
        oracle.write(100)
        worker.await_committed(kafka, group, source, {0: 300}, timeout=60)
        assert worker.stop() == ExitCode.OK
    report = oracle.check(sink, group=group)
    report.assert_nothing_lost()
    report.assert_no_duplicates()
    report.assert_progress()
