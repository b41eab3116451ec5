"""Commits that the network holds back while workers come and go: row 14."""

from __future__ import annotations

from typing import Any

import pytest

from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from sabot.testing import FaultProxy, Oracle, delay
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, RunningWorker, hosted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

ROUNDS = 3
PARTITIONS = 4
LATE_SECONDS = 1.0
COMMITS = {"at_least_once": "OffsetCommit", "exactly_once": "TxnOffsetCommit"}


@pytest.mark.parametrize(
    ("guarantee", "protocol"),
    [
        ("at_least_once", "cooperative-sticky"),
        ("at_least_once", "range"),
        ("at_least_once", "consumer"),
        ("exactly_once", "cooperative-sticky"),
    ],
)
def test_a_commit_under_way_while_members_come_and_go_stops_no_partition(
    kafka_behind_proxy: Kafka, proxy: FaultProxy, guarantee: str, protocol: str
) -> None:
    kafka = kafka_behind_proxy
    source, sink = (kafka.create_topic(kafka.unique(n), PARTITIONS) for n in ("in", "out"))
    group = kafka.unique("g")
    oracle = Oracle(kafka.bootstrap, source)
    options: dict[str, Any] = FAST | {"processing_guarantee": guarantee}
    options |= (
        {"group_protocol": "consumer"}
        if protocol == "consumer"
        else {"partition_assignment_strategy": protocol}
    )

    def define(app: App) -> None:
        read = app.stream(source, bootstrap_servers=proxy.bootstrap, **options)
        read.to_kafka(proxy.bootstrap, sink)

    def under_way() -> None:
        """Return while a commit that was asked for has not reached the broker."""
        late = proxy.on(COMMITS[guarantee], delay(LATE_SECONDS), times=3)
        oracle.write(100)
        late.wait()

    def all_committed(*workers: RunningWorker) -> None:
        """Wait for progress of every partition, with nothing written meanwhile."""

        def there() -> bool:
            assert not [w.failure for w in workers if w.failure]
            return kafka.committed(group, source) == written()

        until(there, what="every partition committed to its end", every=0.1)

    def written() -> dict[int, int]:
        return {number: end for number, end in kafka.end_offsets(source).items() if end}

    oracle.write(100)
    with hosted(define, kafka=kafka, group=group) as stays:
        stays.await_assigned(PARTITIONS)
        for _ in range(ROUNDS):
            under_way()
            with hosted(define, kafka=kafka, group=group) as guest:
                guest.await_assigned(PARTITIONS // 2)
                all_committed(stays, guest)
                under_way()
                assert guest.stop() == ExitCode.OK
            all_committed(stays)
        assert stays.stop() == ExitCode.OK
    report = oracle.check(sink, group=group)
    report.assert_nothing_lost()
    report.assert_no_duplicates()
    report.assert_progress()
