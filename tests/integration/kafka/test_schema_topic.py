"""What a group remembers of schemas, on a real broker."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import confluent_kafka.admin
import pyarrow as pa
import pytest
from confluent_kafka import Message

from sabot.codecs import JsonSchemaCodec
from sabot.kafka.embedded import resolve_bootstrap
from sabot.kafka.schema_topic import SchemaTopic, schema_topic_name
from tests.broker import Kafka

pytestmark = pytest.mark.slow

INT, DOUBLE, TEXT = pa.int64(), pa.float64(), pa.string()
Open = Callable[..., SchemaTopic]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open schema topics, each as another process would, and close them at the end."""
    made: list[SchemaTopic] = []

    def make(bootstrap: str, group: str, held: dict[str, pa.Schema] | None = None) -> SchemaTopic:
        properties = {"bootstrap.servers": bootstrap, "group.id": group, "fetch.min.bytes": 1}
        made.append(SchemaTopic(bootstrap, properties, {} if held is None else held, timeout=10))
        return made[-1]

    yield make
    for each in made:
        each.close()


def columns(record: Message) -> dict[str, str]:
    """Return the columns that a record of the topic names, for people."""
    return dict(json.loads(record.value() or b"")["columns"])


def setting(kafka: Kafka, topic: str, name: str) -> str:
    clients: Any = confluent_kafka.admin
    resource = clients.ConfigResource(clients.ResourceType.TOPIC, topic)
    return str(kafka.admin.describe_configs([resource])[resource].result(10)[name].value)


def test_names_of_topics_are_valid_and_differ_where_groups_do() -> None:
    names = {schema_topic_name(group) for group in ("a b", "a_b", "a/b", "x" * 300, "x" * 301)}
    assert len(names) == 5
    assert max(map(len, names)) <= 249


def test_what_one_wrote_another_knows(kafka: Kafka, opened: Open) -> None:
    group = kafka.unique("g")
    kind = pa.struct({"tags": pa.list_(TEXT), "at": pa.timestamp("us", "UTC")})
    schema = pa.schema({"id": INT, "o": kind, "n": pa.null(), "b": pa.binary()})
    first, second = opened(kafka.bootstrap, group), opened(kafka.bootstrap, group)
    assert first.of("orders", "json").known() is None
    assert first.of("orders", "json").widened(schema) == schema
    assert second.of("orders", "json").known() == schema
    assert second.of("orders", "msgpack").known() is None
    assert second.of("others", "json").known() is None


def test_a_json_schema_codec_remembers_what_its_schema_does_not_tell(
    kafka: Kafka, opened: Open
) -> None:
    group = kafka.unique("g")
    refused = []
    for value in (b'{"id":1,"any":1}', b'{"id":2,"any":"x"}'):
        codec = JsonSchemaCodec(schema={"properties": {"id": {"type": "integer"}, "any": {}}})
        codec.remember(opened(kafka.bootstrap, group).of("orders", codec.name))
        refused += [str(failure.error) for failure in codec.decode([value]).failures]
    assert refused == ["field 'any' is a string, but has been an integer so far"]
    assert opened(kafka.bootstrap, group).of("orders", "json_schema").known() == pa.schema(
        {"any": INT}
    )


def test_the_topic_is_compacted_and_its_last_record_says_all(kafka: Kafka, opened: Open) -> None:
    group = kafka.unique("g")
    memory = opened(kafka.bootstrap, group).of("orders", "json")
    memory.widened(pa.schema({"id": INT}))
    memory.widened(pa.schema({"id": INT, "note": TEXT}))
    wide = memory.widened(pa.schema({"id": DOUBLE}))
    # Nothing new writes nothing.
    memory.widened(pa.schema({"note": TEXT}))

    topic = schema_topic_name(group)
    assert setting(kafka, topic, "cleanup.policy") == "compact"
    records = kafka.read_all(topic)
    assert [each.key() for each in records] == [b"orders/json"] * 3
    assert {each.partition() for each in records} == {0}
    assert columns(records[-1]) == {"id": "double", "note": "string"}

    # What compaction leaves is enough.
    other = kafka.unique("g")
    kafka.create_topic(schema_topic_name(other), partitions=1)
    kafka.produce(schema_topic_name(other), [records[-1].value()], keys=[b"orders/json"])
    assert opened(kafka.bootstrap, other).of("orders", "json").known() == wide


def test_the_first_written_wins_and_the_other_is_told(kafka: Kafka, opened: Open) -> None:
    group = kafka.unique("g")
    one, two = (opened(kafka.bootstrap, group).of("orders", "json") for _ in range(2))
    assert one.known() is None
    assert two.known() is None
    assert one.widened(pa.schema({"a": INT})) == pa.schema({"a": INT})
    assert two.widened(pa.schema({"a": TEXT, "b": INT})) == pa.schema({"a": INT})


def test_those_who_write_at_the_same_time_agree(kafka: Kafka, opened: Open) -> None:
    group = kafka.unique("g")
    kinds = [INT, TEXT, pa.bool_(), pa.list_(INT)]
    memories = [opened(kafka.bootstrap, group).of("orders", "json") for _ in kinds]
    assert all(memory.known() is None for memory in memories)
    together = threading.Barrier(len(kinds))
    outcomes: dict[int, pa.Schema] = {}

    def widen(number: int) -> None:
        together.wait(10)
        memories[number].widened(pa.schema({"a": kinds[number]}))
        together.wait(10)
        memories[number].widened(pa.schema({f"x{number}": INT}))
        together.wait(20)
        outcomes[number] = memories[number].known() or pa.schema([])

    threads = [threading.Thread(target=widen, args=(number,)) for number in range(len(kinds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = [{field.name: field.type for field in outcomes[n]} for n in range(len(kinds))]
    assert all(each == found[0] for each in found)
    assert set(found[0]) == {"a", "x0", "x1", "x2", "x3"}
    # What compaction would leave says the same.
    last = kafka.read_all(schema_topic_name(group))[-1]
    assert set(columns(last)) == set(found[0])
    newcomer = opened(kafka.bootstrap, group).of("orders", "json").known()
    assert {field.name: field.type for field in newcomer or ()} == found[0]


def test_a_writer_mends_what_would_be_left_by_compaction(kafka: Kafka, opened: Open) -> None:
    group = kafka.unique("g")
    opened(kafka.bootstrap, group).of("orders", "json").widened(pa.schema({"a": INT}))
    # Somebody lost the race and crashed before mending.
    elsewhere = kafka.unique("g")
    opened(kafka.bootstrap, elsewhere).of("orders", "json").widened(pa.schema({"a": TEXT}))
    [lost] = kafka.read_all(schema_topic_name(elsewhere))
    topic = schema_topic_name(group)
    kafka.produce(topic, [lost.value()], keys=[b"orders/json"])

    memory = opened(kafka.bootstrap, group).of("orders", "json")
    assert memory.known() == pa.schema({"a": INT})
    memory.widened(pa.schema({"a": INT}))
    last = kafka.read_all(topic)[-1]
    assert columns(last) == {"a": "int64"}


def test_a_tombstone_makes_the_next_process_begin_anew(kafka: Kafka, opened: Open) -> None:
    group = kafka.unique("g")
    opened(kafka.bootstrap, group).of("orders", "json").widened(pa.schema({"a": TEXT}))
    kafka.produce(schema_topic_name(group), [None], keys=[b"orders/json"])
    assert opened(kafka.bootstrap, group).of("orders", "json").known() is None


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "sabot.schemas" and record.levelno == logging.WARNING
    ]


def falls_back(schemas: SchemaTopic, caplog: pytest.LogCaptureFixture) -> None:
    one, two = schemas.of("orders", "json"), schemas.of("orders", "json")
    assert one.known() is None
    assert one.widened(pa.schema({"a": INT})) == pa.schema({"a": INT})
    assert two.known() == pa.schema({"a": INT})
    assert two.widened(pa.schema({"a": TEXT})) == pa.schema({"a": INT})
    assert len(warnings(caplog)) == 1
    assert "for this process alone" in warnings(caplog)[0]


def test_the_embedded_broker_leaves_it_to_the_process(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    falls_back(opened(resolve_bootstrap("embedded://"), "g"), caplog)


def test_a_record_that_is_no_schema_leaves_it_to_the_process(
    kafka: Kafka, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    group = kafka.unique("g")
    kafka.create_topic(schema_topic_name(group), partitions=1)
    kafka.produce(schema_topic_name(group), [b'{"version": 99}'], keys=[b"orders/json"])
    falls_back(opened(kafka.bootstrap, group), caplog)


def test_a_topic_the_cluster_refuses_to_create_leaves_it_to_the_process(
    opened: Open, caplog: pytest.LogCaptureFixture, cluster_that_creates_no_topics: Kafka
) -> None:
    kafka = cluster_that_creates_no_topics
    falls_back(opened(kafka.bootstrap, kafka.unique("g")), caplog)
