from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sabot.errors import DeliveryError, InternalError
from sabot.kafka.embedded import resolve_bootstrap, stop_embedded
from sabot.kafka.producer import KafkaProducer, Outgoing, Parcel, Undelivered

TOPIC = "out"


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    yield resolve_bootstrap("embedded://")
    stop_embedded()


@pytest.fixture
def producers(bootstrap: str) -> Iterator[Any]:
    made: list[KafkaProducer] = []

    def make(**properties: Any) -> KafkaProducer:
        given = {name.replace("_", "."): value for name, value in properties.items()}
        producer = KafkaProducer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1, **given}
        )
        made.append(producer)
        return producer

    yield make
    for producer in made:
        producer.close()


def read_back(bootstrap: str, topic: str, count: int) -> list[Any]:
    """Return the topic's records, those of each partition in order."""
    import confluent_kafka

    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reads", "auto.offset.reset": "earliest"}
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([confluent_kafka.TopicPartition(topic, p, -2) for p in partitions])
        records: list[Any] = []
        while len(records) < count:
            got = consumer.consume(count, 10)
            assert got, f"only {len(records)} of {count} records"
            records += got
        return records
    finally:
        consumer.close()


def values_of(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_a_full_queue_makes_the_sender_wait_and_loses_nothing(
    producers: Any, bootstrap: str
) -> None:
    producer = producers(queue_buffering_max_messages=100)
    count = 3000
    keys = [b"one"] * count
    parcel = producer.send("full", values_of(count), keys, [0] * count)
    assert (parcel.accepted, parcel.closed) == (count, True)
    assert producer.wait([parcel], 30)
    assert parcel.delivered
    records = read_back(bootstrap, "full", count)
    assert [record.value() for record in records] == values_of(count)


def test_reports_are_counted_right_whoever_polls(producers: Any) -> None:
    producer = producers()
    done = threading.Event()

    def poll() -> None:
        while not done.is_set():
            producer.poll(0.001)

    pollers = [threading.Thread(target=poll) for _ in range(3)]
    for poller in pollers:
        poller.start()
    parcels: list[Parcel] = []
    lock = threading.Lock()

    def send() -> None:
        for _ in range(20):
            parcel = producer.send(TOPIC, values_of(200), [None] * 200, [0] * 200)
            with lock:
                parcels.append(parcel)

    senders = [threading.Thread(target=send) for _ in range(2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    assert producer.wait(parcels, 30)
    done.set()
    for poller in pollers:
        poller.join(10)
    assert [(p.accepted, p.good, p.refused) for p in parcels] == [(200, 200, [])] * 40


def test_keys_timestamps_headers_and_tombstones_arrive(producers: Any, bootstrap: str) -> None:
    producer = producers()
    headers = (("why", b"because"), ("none", None))
    outgoing = Outgoing(None, b"k", 1_700_000_000_000, headers)
    parcel = producer.send_one("single", outgoing)
    assert producer.wait([parcel], 20)
    (record,) = read_back(bootstrap, "single", 1)
    assert (record.key(), record.value()) == (b"k", None)
    assert record.timestamp()[1] == 1_700_000_000_000
    assert record.headers() == list(headers)


def test_a_parcel_without_records_is_settled(producers: Any) -> None:
    parcel = producers().send(TOPIC, [], [], [])
    assert (parcel.settled, parcel.delivered) == (True, True)


def test_a_record_that_is_too_large_is_that_records_refusal(producers: Any) -> None:
    producer = producers(message_max_bytes=1000)
    parcel = producer.send(
        TOPIC, [b"a", b"x" * 5000, b"b"], [b"1", b"2", b"3"], [0, 7, 0], rows=[4, 5, 6]
    )
    assert producer.wait([parcel], 20)
    assert (parcel.accepted, parcel.good, parcel.delivered) == (3, 2, False)
    (refused,) = parcel.undelivered()
    assert (refused.code, refused.outgoing.row) == ("MSG_SIZE_TOO_LARGE", 5)
    assert (refused.outgoing.key, refused.outgoing.timestamp) == (b"2", 7)
    alone = producer.resend(refused, TOPIC, 10)
    assert alone is not None
    assert alone.code == "MSG_SIZE_TOO_LARGE"
    parcel.resolve(refused)
    assert parcel.delivered


def test_an_innocent_record_is_taken_when_it_is_sent_alone(producers: Any) -> None:
    innocent = Undelivered("INVALID_TIMESTAMP", "a neighbour's", Outgoing(b"v", b"k"))
    assert producers().resend(innocent, TOPIC, 20) is None


def test_a_refusal_no_record_earns_is_the_clusters(producers: Any) -> None:
    refused = Undelivered("TOPIC_AUTHORIZATION_FAILED", "not yours", Outgoing(b"v", b"k"))
    with pytest.raises(DeliveryError, match=r"'out' at .* did not take a record: not yours"):
        producers().resend(refused, TOPIC, 20)


def test_records_that_do_not_arrive_run_out_of_time() -> None:
    producer = KafkaProducer({"bootstrap.servers": "localhost:1", "delivery.timeout.ms": 60000})
    parcel = producer.send(TOPIC, [b"v"], [None], [0])
    assert not producer.wait([parcel], 0.05)
    assert producer.close(0.05) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_a_forked_child_it_refuses_to_send(producers: Any) -> None:
    producer = producers()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            producer.send(TOPIC, [b"v"], [None], [0])
        except InternalError:
            code = 42
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 42


def test_equal_records_of_a_parcel_are_told_apart_by_number() -> None:
    parcel = Parcel(TOPIC, accepted=3, good=1, closed=True, values=[b"v"] * 3, keys=[b"k"] * 3)
    parcel.refused += [("INVALID_RECORD", "no", b"k", b"v")] * 2
    assert parcel.settled
    assert [one.outgoing.row for one in parcel.undelivered()] == [0, 1]
    for one in parcel.undelivered():
        parcel.resolve(one)
    assert parcel.delivered
