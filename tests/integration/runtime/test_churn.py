"""Members that come and go while state is restored and records come in: rows 2 and 20."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer

from sabot.app.app import App
from sabot.runtime.domain_state import DomainState
from sabot.runtime.exit_codes import ExitCode
from sabot.testing import Fold, Oracle
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, RunningWorker, hosted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

ROUNDS = 4
PARTITIONS = 4


def count(seen: int | None, row: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    seen = (seen or 0) + 1
    return seen, {**row, "seen": seen}


def state_of(worker: RunningWorker) -> DomainState:
    (domain,) = worker.worker._domains.values()
    assert isinstance(domain._state, DomainState)
    return domain._state


def is_restoring(worker: RunningWorker) -> bool:
    domains = list(worker.worker._domains.values())
    return bool(domains) and domains[0]._state is not None and bool(state_of(worker).restoring)


class Door:
    """Keeps every restore of a changelog from its end while it is shut.

    What an open transaction stands before cannot be read yet, and a restore waits for it.
    """

    def __init__(self, kafka: Kafka, changelog: str) -> None:
        self._changelog = changelog
        self._producer = Producer(
            {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.unique("door")}
        )
        self._producer.init_transactions(10)

    @contextmanager
    def shut(self) -> Iterator[None]:
        self._producer.begin_transaction()
        for partition in range(PARTITIONS):
            self._producer.produce(self._changelog, b"0", b"no key of ours", partition=partition)
        self._producer.flush(10)
        try:
            yield
        finally:
            self._producer.abort_transaction(10)


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_after_each_join_and_leave_amid_restores_and_load_every_partition_gets_to_its_end(
    kafka: Kafka, guarantee: str
) -> None:
    group = kafka.unique("g")
    source, sink = (kafka.create_topic(kafka.unique(n), PARTITIONS) for n in ("in", "out"))
    changelog = kafka.create_topic(f"{group}-seen-changelog", PARTITIONS, cleanup_policy="compact")
    oracle, door = Oracle(kafka.bootstrap, source), Door(kafka, changelog)

    def define(app: App) -> None:
        rows = app.stream(source, **FAST, processing_guarantee=guarantee, batch_size=50)
        rows.stateful(count, store="seen").to_kafka(app.broker, sink)

    def gets_there() -> None:
        stuck, _ = oracle.progress(group, within=30)
        assert not stuck

    def grows() -> None:
        """Wait until each changelog is longer, so that its restore has to pass the door."""
        before = kafka.committed(group, source)
        until(
            lambda: all(
                kafka.committed(group, source).get(number, 0) > before.get(number, 0)
                for number in range(PARTITIONS)
            ),
            what="a commit of each partition",
        )

    oracle.write(400)
    with hosted(define, kafka=kafka, group=group) as stays:
        gets_there()
        for turn in range(ROUNDS):
            with ExitStack() as stack:
                with oracle.writing(400), door.shut():
                    grows()
                    guest = stack.enter_context(hosted(define, kafka=kafka, group=group))
                    until(lambda g=guest: is_restoring(g), what="a restore")
                    if turn % 2:
                        assert guest.stop() == ExitCode.OK
                gets_there()
                if turn % 2 == 0:
                    assert guest.stop() == ExitCode.OK
            gets_there()
        assert stays.stop() == ExitCode.OK
    report = oracle.check(
        sink,
        group=group,
        table=Fold(changelog, step=lambda seen, _: (seen or 0) + 1),
    )
    report.assert_nothing_lost()
    report.assert_no_duplicates()
    report.assert_in_order()
    report.assert_table()
