"""The oracle finds what is wrong where something is, and nothing where nothing is."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from confluent_kafka import Producer

from sabot.app.app import App
from sabot.errors import BrokerUnavailableError
from sabot.testing import Disorder, FaultProxy, Fold, Oracle, Stuck, hold
from sabot.types import TopicPartition
from tests.broker import Kafka
from tests.workers import FAST, RunningWorker, hosted

Row = dict[str, int | str]


@pytest.fixture
def topics(kafka: Kafka) -> tuple[str, str]:
    source, target = kafka.unique("oracle-in"), kafka.unique("oracle-out")
    return kafka.create_topic(source, 3), kafka.create_topic(target, 3)


@pytest.fixture
def oracle(kafka: Kafka, topics: tuple[str, str]) -> Oracle:
    return Oracle(kafka.bootstrap, topics[0], seed=7)


def rows(kafka: Kafka, topic: str) -> list[Row]:
    return [json.loads(message.value()) for message in kafka.read_all(topic)]


def put(kafka: Kafka, topic: str, out: Sequence[Row]) -> None:
    kafka.produce(topic, out, keys=[str(row["key"]) for row in out])


def test_a_sound_program_is_given_a_clean_report(
    kafka: Kafka, topics: tuple[str, str], oracle: Oracle
) -> None:
    source, target = topics
    group = kafka.unique("g")
    worker = hosted(
        lambda app: app.stream(source, **FAST).to_kafka(app.broker, target),
        kafka=kafka,
        group=group,
    )
    oracle.write(2000, keys=20, extra=lambda trace: {"amount": trace.id * 2})
    with worker as running:
        with oracle.writing(500, keys=20):
            running.await_sent(2200)
        report = oracle.check(target, group=group)
    report.assert_nothing_lost()
    report.assert_no_duplicates()
    report.assert_in_order()
    report.assert_progress()
    assert report.written == report.rows == oracle.written
    with pytest.raises(AssertionError, match="no table was checked"):
        report.assert_table()
    assert "0 lost, 0 repeated, 0 out of order, 0 partitions stuck" in str(report)
    assert str(report).endswith("(seed 7)")


def test_a_lost_row_is_found(kafka: Kafka, topics: tuple[str, str], oracle: Oracle) -> None:
    oracle.write(10)
    put(kafka, topics[1], [row for row in rows(kafka, topics[0]) if row["id"] not in (3, 4)])
    report = oracle.check(topics[1])
    assert report.lost == [3, 4]
    with pytest.raises(AssertionError, match=r"2 lost: 3, 4\n10 written, 8 rows"):
        report.assert_nothing_lost()
    kept = oracle.check(topics[1], expects=lambda trace: trace.id not in (3, 4))
    kept.assert_nothing_lost()
    kept.assert_no_duplicates()


def test_a_repeated_row_and_one_nobody_wrote_are_found(
    kafka: Kafka, topics: tuple[str, str], oracle: Oracle
) -> None:
    oracle.write(10)
    out = rows(kafka, topics[0])
    put(kafka, topics[1], [*out, *out[5:7]])
    report = oracle.check(topics[1])
    assert report.duplicates == {int(row["id"]): 2 for row in out[5:7]}
    # Again from where it had been: a replay is no disorder.
    report.assert_in_order()
    with pytest.raises(AssertionError, match="2 came out again"):
        report.assert_no_duplicates()
    put(kafka, topics[1], [{"id": 99, "key": "k1", "seq": 99}])
    strange = oracle.check(topics[1])
    assert strange.strangers == [99]


def test_rows_that_change_places_within_their_key_are_found(
    kafka: Kafka, topics: tuple[str, str], oracle: Oracle
) -> None:
    oracle.write(4, keys=1)
    out = rows(kafka, topics[0])
    put(kafka, topics[1], [out[0], out[2], out[1], out[3]])
    (found,) = oracle.check(topics[1]).disorder
    assert found == Disorder("k0", 1, 2, found.where)
    assert found.where.startswith(f"{topics[1]}[")


def test_what_a_transaction_took_back_never_came_out(
    kafka: Kafka, topics: tuple[str, str], oracle: Oracle
) -> None:
    oracle.write(3)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topics[1]})
    producer.init_transactions(30)
    producer.begin_transaction()
    for row in rows(kafka, topics[0]):
        producer.produce(topics[1], json.dumps(row))
    producer.flush(30)
    producer.abort_transaction(30)
    assert oracle.check(topics[1]).lost == [0, 1, 2]


def test_a_group_that_stands_still_is_found(
    kafka: Kafka, topics: tuple[str, str], oracle: Oracle
) -> None:
    oracle.write(50)
    report = oracle.check(topics[1], group=kafka.unique("nobody"), within=0.3)
    ends = kafka.end_offsets(topics[0])
    assert report.stuck == {
        TopicPartition(topics[0], number): Stuck(None, end) for number, end in ends.items() if end
    }
    assert report.longest_stall > 0
    with pytest.raises(AssertionError, match="partitions are stuck"):
        report.assert_progress()
    with pytest.raises(AssertionError, match="no group was watched"):
        oracle.check(topics[1]).assert_progress()


def test_a_table_is_compared_with_the_fold_of_the_input(
    kafka: Kafka, topics: tuple[str, str], oracle: Oracle
) -> None:
    oracle.write(30, keys=3)
    counts = oracle.fold(lambda count, _: count + 1, 0)
    assert sum(counts.values()) == 30
    fold = Fold(topics[1], lambda n, _: n + 1, 0, read=lambda value: value["n"])
    kafka.produce(
        topics[1],
        [{"n": 0}, *({"n": count} for count in counts.values())],
        keys=[next(iter(counts)), *counts],
    )
    report = oracle.check(topics[1], table=fold, read=lambda _: None)
    report.assert_table()
    wrong, gone = list(counts)[:2]
    kafka.produce(topics[1], [{"n": -1}, None], keys=[wrong, gone])
    report = oracle.check(topics[1], table=fold, read=lambda _: None)
    assert report.table == {wrong: (counts[wrong], -1), gone: (counts[gone], None)}
    with pytest.raises(AssertionError, match="2 keys differ"):
        report.assert_table()


def test_a_row_without_a_trace_is_an_error_that_says_where(
    kafka: Kafka, topics: tuple[str, str], oracle: Oracle
) -> None:
    kafka.produce(topics[1], [{"n": 1}], partition=2)
    with pytest.raises(ValueError, match=r"\[2\]@0 has no 'id', 'key' and 'seq'"):
        oracle.check(topics[1])


def test_it_says_where_a_topic_is_missing(kafka: Kafka) -> None:
    with pytest.raises(BrokerUnavailableError, match="there is no topic"):
        Oracle(kafka.bootstrap, "oracle-nowhere").fold(lambda _, __: None)


def test_a_worker_behind_the_proxy_that_is_cut_loses_nothing_and_moves_on(
    kafka_behind_proxy: Kafka, proxy: FaultProxy
) -> None:
    kafka = kafka_behind_proxy
    source, target = (kafka.create_topic(kafka.unique(name), 2) for name in ("cut-in", "cut-out"))
    group = kafka.unique("g")
    oracle = Oracle(kafka.bootstrap, source)

    def copier(bootstrap: str) -> RunningWorker:
        def define(app: App) -> None:
            read = app.stream(source, bootstrap_servers=bootstrap, **FAST)
            read.to_kafka(bootstrap, target)

        return hosted(define, kafka=kafka, group=group)

    late = proxy.on("OffsetCommit", hold(0.5), nth=2)
    oracle.write(500)
    with copier(proxy.bootstrap) as running, oracle.writing(300):
        running.await_sent(600)
        late.wait()
        proxy.cut()
        proxy.heal()
        running.await_sent(900)
    with copier(kafka.bootstrap):
        report = oracle.check(target, group=group)
    report.assert_nothing_lost()
    report.assert_progress()
