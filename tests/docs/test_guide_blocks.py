"""The Kafka integration guide, block by block, as it is written there.

Every block whose codec needs no registry is executed: the address is the test broker's, and
names that the guide leaves undefined come from `PRELUDE`. What a block defines is run, fed
and checked by what arrives on a real broker.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import textwrap
import types
import typing
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional  # noqa: UP035 - the guide's own spelling

import pytest

from sabot.api.stream import OutputStream, Stream
from sabot.kafka.source import KafkaSource, KafkaSourceConfig
from sabot.plan.outputs import Output, collecting
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.docs.blocks import Block, python_blocks
from tests.docs.running import ADDRESS, addressed, clean, running, sources, targets
from tests.until import until

GUIDE = Path(__file__).resolve().parents[3] / "shared/spec/kafka-integration-guide.md"

pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is not beside this checkout")

PRELUDE = """\
import logging

import pyarrow as pa
import pyarrow.compute as pc

from sabot.api.stream import Stream
from sabot.app.app import App

logger = logging.getLogger("guide")
app = App("guide", broker="localhost:9092")
stream = Stream.from_kafka("localhost:9092", "given", "given")


def process_batch(b):
    return b.append_column("processed", True)


def enrich_data(b):
    return b.append_column("enriched", pc.utf8_upper(b["name"]))


def validate_data(b):
    return b.filter(b["amount"] >= 0)
"""
"""What the guide's blocks use and do not define; executed before each of them."""

Name = tuple[str, int]
"""A block: the heading it stands under, and which of the blocks there it is."""

SIGNATURES: Mapping[Name, Callable[..., Any]] = {
    ("Stream.from_kafka()", 1): Stream.from_kafka,
    ("Stream.to_kafka()", 1): Stream.to_kafka,
}

WITH_A_REGISTRY: Mapping[Name, str] = {
    ("Example 2: Avro with Schema Registry", 1): "test_guide_avro.py",
    ("Avro with Schema Registry", 1): "test_guide_avro.py",
    ("Protobuf", 1): "test_guide_protobuf_json_schema.py",
    ("JSON Schema", 1): "test_guide_protobuf_json_schema.py",
}
"""Blocks that are run where there is a schema registry: in tests/integration/registry."""

NOT_YET: Mapping[Name, str] = {("Pattern 3: Aggregation", 1): "windows"}
"""Blocks that need what this version does not have."""

BAD = b'{"id": 2, "amo'

Arrived = tuple[bytes | None, bytes | None]
"""Key and value."""


def plain(*values: bytes) -> list[Arrived]:
    return [(None, value) for value in values]


@dataclass(frozen=True)
class Trial:
    """What a block is fed, and what must come of it.

    Attributes:
        topic: What it reads.
        records: Key and value of what is written there once the groups have begun.
        arrives: Topic to what must be in it at the end, in any order.
        before: What is in the topic before anything runs.
        ends: Stream of the block, by name, to a topic: where a block builds a stream and
            writes it nowhere, its rows are written there as they come.
        fails: Whether the worker must end with this failure, of which this is a part.
    """

    topic: str
    records: Sequence[Arrived]
    arrives: Mapping[str, Sequence[Arrived]] = field(default_factory=dict)
    before: Sequence[Arrived] = ()
    ends: Mapping[str, str] = field(default_factory=dict)
    fails: str | None = None


def reads(good: Sequence[Arrived] = (), *, fails: str | None = None, **more: Any) -> Trial:
    """Return the trial of a block that only builds `stream` from `topic`."""
    records = good or plain(b'{"id": 1}', b'{"id": 3}')
    arrives = {"seen": records, **more.pop("arrives", {})}
    return Trial("topic", more.pop("records", records), arrives, ends={"stream": "seen"}, **more)


FAILS = Trial(
    "topic",
    [(b"k", b'{"id": 1}'), (b"k", BAD), (b"k", b'{"id": 3}')],
    {"seen": [(b"k", b'{"id": 1}')]},
    ends={"stream": "seen"},
    fails="failed for topic[",
)
PAIR = [(b"k", b'{"id": 1}'), (None, b'{"id":2}')]
COMPRESSED = Trial("given", PAIR, {"topic": PAIR})
ORDERS = plain(
    b'{"id": 1, "amount": 10000.0}',
    b'{"id": 2, "amount": 10000.5}',
    b'{"id": 3, "amount": null}',
)
EVENTS = plain(b'{"type": "A"}', b'{"type": "B", "n": 1}', b'{"type": "C"}', b'{"type": "D"}')

TRIALS: Mapping[Name, Trial] = {
    ("Example 1: Simple JSON Stream", 1): Trial(
        "transactions",
        [(b"ann", b'{"id": 1, "amount": 2500.0}'), (b"bob", b'{"id": 2, "amount": 1000}')],
        {"flagged-transactions": [(b"ann", b'{"id": 1, "amount": 2500.0,"flagged":true}')]},
        before=plain(b'{"id": 0, "amount": 9999.0}'),
    ),
    ("Example 3: Multiple Topics with Routing", 1): Trial(
        "orders", ORDERS, {"high-value-orders": [ORDERS[1]], "low-value-orders": [ORDERS[0]]}
    ),
    ("Example 4: Error Handling", 1): Trial(
        "transactions",
        plain(BAD, b'{"id": 3}'),
        {"processed": plain(b'{"id": 0,"processed":true}', b'{"id": 3,"processed":true}')},
        before=plain(b'{"id": 0}'),
    ),
    ("Example 5: Custom Partitioning", 1): Trial(
        "transactions",
        [(b"old", b'{"customer_id": 7}'), (b"old", b'{"customer_id": "x"}')],
        {"customer-transactions": [(b"7", b'{"customer_id": 7}')]},
    ),
    ("JSON (default)", 1): reads(),
    ("MessagePack", 1): reads(
        records=plain(b"\x81\xa2id\x01", b"\x81", b"\x81\xa2id\x02"),
        good=plain(b'{"id":1}', b'{"id":2}'),
    ),
    ("String", 1): reads(
        records=plain(b"one", b"\xff", b"two"),
        good=plain(b'{"value":"one"}', b'{"value":"two"}'),
    ),
    ("Raw Bytes", 1): reads(
        records=plain(b"one", b"\xff"), good=plain(b'{"value":"b25l"}', b'{"value":"/w=="}')
    ),
    ("Skip Errors (Default)", 1): reads(
        records=plain(b'{"id": 1}', BAD, b'{"id": 3}'), good=plain(b'{"id": 1}', b'{"id": 3}')
    ),
    ("Fail on Errors", 1): FAILS,
    ("Retry on Errors", 1): FAILS,
    ("Dead Letter Queue", 1): reads(
        records=[(None, b'{"id": 1}'), (b"k", BAD), (None, b'{"id": 3}')],
        good=plain(b'{"id": 1}', b'{"id": 3}'),
        arrives={"topic-dlq": [(b"k", BAD)]},
    ),
    ("Compression", 1): COMPRESSED,
    ("Pattern 1: ETL Pipeline", 1): Trial(
        "raw-data",
        plain(
            b'{"id": 1, "name": "ann", "amount": 5}',
            b'{"id": null, "name": "bob", "amount": 5}',
            b'{"id": 3, "name": "cy", "amount": -1}',
        ),
        {"enriched-data": plain(b'{"id": 1, "name": "ann", "amount": 5,"enriched":"ANN"}')},
    ),
    ("Pattern 2: Fan-out", 1): Trial(
        "events", EVENTS, {"type-a": [EVENTS[0]], "type-b": [EVENTS[1]], "type-c": [EVENTS[2]]}
    ),
    ("New API (Recommended)", 1): Trial(
        "topic-name", plain(b'{"id": 1}'), {"output-topic": plain(b'{"id": 1,"processed":true}')}
    ),
    ("Performance Tips", 1): reads(),
    ("Performance Tips", 2): COMPRESSED,
    ("Performance Tips", 3): reads(),
    ("Performance Tips", 4): Trial(
        "topic",
        plain(b'{"id": 1}', b'{"id": 2}'),
        {name: plain(b'{"id": 1}', b'{"id": 2}') for name in ("seen-1", "seen-2")},
        ends={"stream1": "seen-1", "stream2": "seen-2"},
    ),
    ("Issue: Stream hangs", 1): reads(),
    ("Issue: Offset management", 1): reads(),
    ("Issue: Message deserialization errors", 1): reads(
        records=plain(b'{"id": 1}', BAD), good=plain(b'{"id": 1}')
    ),
}

ON_ITS_OWN = {
    ("KafkaSourceConfig", 1),
    ("Old API (Deprecated)", 1),
    ("Testing Without Kafka", 1),
}
"""Blocks that have a test of their own below."""


def guide() -> dict[Name, Block]:
    """Return the guide's Python blocks by name."""
    blocks: dict[Name, Block] = {}
    for block in python_blocks(GUIDE) if GUIDE.is_file() else ():
        number = 1 + sum(heading == block.heading for heading, _ in blocks)
        blocks[block.heading, number] = block
    return blocks


def execute(block: Block, kafka: Kafka | None, *, flags: int = 0) -> tuple[dict[str, Any], Any]:
    """Execute the prelude and a block; return the names, and what a coroutine block is."""
    bootstrap = ADDRESS if kafka is None else kafka.bootstrap
    names: dict[str, Any] = {"__name__": "guide"}
    prelude = addressed(PRELUDE, bootstrap)
    exec(compile(prelude, "prelude", "exec", dont_inherit=True), names)
    text = addressed(block.code, bootstrap)
    differs_by_addresses_only(block, text, bootstrap)
    return names, eval(block.compile(text, flags=flags), names)


def differs_by_addresses_only(block: Block, text: str, bootstrap: str) -> None:
    """Fail where what is executed is not what the guide says, the addresses apart."""
    lines = GUIDE.read_text(encoding="utf-8").splitlines()
    first, last = block.line - 1, block.line - 1 + len(block.code.splitlines())
    assert (lines[first - 1].strip(), lines[last].strip()) == ("```python", "```")
    written = textwrap.dedent("\n".join(lines[first:last])) + "\n"
    assert written.split(ADDRESS) == text.split(bootstrap), f"{block} was changed"


def test_a_block_may_be_changed_in_nothing_but_its_addresses() -> None:
    for block in guide().values():
        differs_by_addresses_only(block, addressed(block.code, "other:1"), "other:1")
    block = guide()["Example 1: Simple JSON Stream", 1]
    for changed in (block.code.replace("1000.0", "1.0"), block.code.replace("transactions", "t")):
        with pytest.raises(AssertionError):
            differs_by_addresses_only(block, addressed(changed, "other:1"), "other:1")


def test_every_block_of_the_guide_is_run_compared_or_named_as_not_there_yet() -> None:
    parts = [set(TRIALS), set(SIGNATURES), set(WITH_A_REGISTRY), set(NOT_YET), ON_ITS_OWN]
    assert sum(map(len, parts)) == len(set.union(*parts)), "a block is in two lists"
    assert set.union(*parts) == set(guide())


def test_what_is_named_as_not_there_yet_cannot_be_run() -> None:
    for name in NOT_YET:
        assert ".window(" in guide()[name].code, f"{name} needs nothing that is missing"


def test_what_needs_a_registry_is_run_where_there_is_one() -> None:
    folder = Path(__file__).parents[1] / "integration" / "registry"
    for (heading, _), file in WITH_A_REGISTRY.items():
        assert heading in (folder / file).read_text(encoding="utf-8"), f"{file}: {heading}"


@pytest.mark.parametrize("name", SIGNATURES, ids=lambda name: name[0])
def test_signatures_are_those_of_the_guide(name: Name) -> None:
    text = re.sub(r"^\w+\.(\w+)\(", r"def \1(", guide()[name].code) + "    ...\n"
    text = re.sub(r"\) -> (\w+)", r") -> \1:", text)
    names: dict[str, Any] = {
        "Any": Any, "Callable": Callable, "Dict": dict, "Optional": Optional,
        "Stream": Stream, "OutputStream": OutputStream,
    }  # fmt: skip
    exec(compile(text, str(GUIDE), "exec", dont_inherit=True), names)
    theirs = inspect.signature(names[SIGNATURES[name].__name__])
    ours = inspect.signature(SIGNATURES[name], eval_str=True, globals=vars(sabot_stream()))
    found = [each for each in ours.parameters.values() if each.name != "self"]
    assert [(p.name, p.kind, p.default) for p in found] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]
    for mine, asked in zip(found, theirs.parameters.values(), strict=True):
        assert asked.annotation is asked.empty or takes(mine.annotation, asked.annotation), mine
    assert ours.return_annotation is theirs.return_annotation


def sabot_stream() -> types.ModuleType:
    import sabot.api.stream

    return sabot.api.stream


def takes(wide: Any, narrow: Any) -> bool:
    """Whether everything of one annotation may be given for the other, whatever its spelling."""
    if wide is Any or wide == narrow:
        return True
    if members := union(narrow):
        return all(takes(wide, member) for member in members)
    if members := union(wide):
        return any(takes(member, narrow) for member in members)
    if isinstance(wide, list) and isinstance(narrow, list):
        return all(takes(*pair) for pair in zip(wide, narrow, strict=True))
    origins = typing.get_origin(wide) or wide, typing.get_origin(narrow) or narrow
    pairs = list(zip(typing.get_args(wide), typing.get_args(narrow), strict=False))
    return origins[0] is origins[1] and all(takes(*pair) for pair in pairs)


def union(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return ()


@pytest.mark.parametrize("name", TRIALS, ids=lambda name: f"{name[0]} {name[1]}")
def test_what_a_block_defines_runs_and_its_records_arrive(name: Name, pages_kafka: Kafka) -> None:
    kafka, trial = pages_kafka, TRIALS[name]
    with collecting() as collection:
        names, _ = execute(guide()[name], kafka)
        for stream, topic in trial.ends.items():
            names[stream].to_kafka(kafka.bootstrap, topic)
    outputs = list(collection.outputs)
    groups = [source.group_id for source in sources(outputs)]
    assert {source.topic for source in sources(outputs)} == {trial.topic}
    assert {*targets(outputs), *trial.arrives} - {"topic-dlq"} == set(targets(outputs))
    clean(kafka, [trial.topic, *targets(outputs), *trial.arrives], groups)
    write(kafka, trial.topic, trial.before)
    with running(kafka, outputs, "guide") as run:
        write(kafka, trial.topic, trial.records)
        if trial.fails is not None:
            assert run.ends() == ExitCode.FAILED
            assert trial.fails in str(run.worker.failure)
        for topic, wanted in trial.arrives.items():
            until(lambda t=topic, w=wanted: len(kafka.read_all(t)) >= len(w), what=topic)
        code = run.stop() if trial.fails is None else ExitCode.OK
    assert code == ExitCode.OK, run.worker.failure
    for topic, wanted in trial.arrives.items():
        found = [(each.key(), each.value()) for each in kafka.read_all(topic)]
        assert sorted(found, key=repr) == sorted(wanted, key=repr), topic
    check_commits(kafka, trial, groups)


def write(kafka: Kafka, topic: str, records: Sequence[Arrived]) -> None:
    kafka.produce(topic, [value for _, value in records], keys=[key for key, _ in records])


def check_commits(kafka: Kafka, trial: Trial, groups: Sequence[str]) -> None:
    """Everything is committed, or everything before the record that failed."""
    ends = kafka.end_offsets(trial.topic)
    if trial.fails is not None:
        bad = next(each for each in kafka.read_all(trial.topic) if each.value() == BAD)
        ends[bad.partition()] = bad.offset()
    for group in groups:
        # A partition that nothing was read from may have no commit.
        assert dict.fromkeys(ends, 0) | kafka.committed(group, trial.topic) == ends


def test_the_source_block_prints_each_record(pages_kafka: Kafka) -> None:
    kafka, block = pages_kafka, guide()["KafkaSourceConfig", 1]
    clean(kafka, ["my-topic", "my-topic-dlq"], ["my-group"])
    printed = io.StringIO()

    async def read() -> None:
        names, loop = execute(block, kafka, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        task = asyncio.create_task(loop)
        await when(lambda: len(kafka.committed("my-group", "my-topic")) == 2, task)
        await asyncio.to_thread(write, kafka, "my-topic", plain(b'{"id": 1}', BAD, b'{"id": 3}'))
        await when(lambda: printed.getvalue().count("\n") >= 2, task)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await names["source"].aclose()

    with contextlib.redirect_stdout(printed):
        asyncio.run(read())
    lines = sorted(printed.getvalue().splitlines())
    assert len(lines) == 2
    assert lines[0].startswith("Record(value={'id': 1}, key=None")
    assert lines[1].startswith("Record(value={'id': 3}, key=None")


async def when(condition: Callable[[], bool], task: asyncio.Task[Any]) -> None:
    """Wait for something, or for the task to fail."""
    await asyncio.to_thread(until, lambda: condition() or task.done(), what="the next step")
    if task.done():
        await task


def test_a_message_can_be_committed_by_hand(pages_kafka: Kafka) -> None:
    kafka = pages_kafka
    clean(kafka, ["my-topic"], ["my-group"])
    values = [{"id": number} for number in range(4)]
    written = kafka.produce("my-topic", values, keys=[b"k"] * 4)
    (place,) = {message.partition() for message in written}
    config = KafkaSourceConfig(
        bootstrap_servers=kafka.bootstrap,
        topic="my-topic",
        group_id="my-group",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )

    async def read(count: int, commit: int) -> list[int]:
        source, seen = KafkaSource(config), []
        async with source.stream() as messages:
            async for message in messages:
                seen.append(message.value["id"])
                if len(seen) == commit:
                    await source.commit(message)
                if len(seen) == count:
                    break
        return seen

    assert asyncio.run(read(count=3, commit=2)) == [0, 1, 2]
    assert kafka.committed("my-group", "my-topic")[place] == 2
    assert asyncio.run(read(count=2, commit=0)) == [2, 3]
    assert kafka.committed("my-group", "my-topic")[place] == 2


def test_the_agent_block_warns_and_handles_every_event(pages_kafka: Kafka) -> None:
    kafka, block = pages_kafka, guide()["Old API (Deprecated)", 1]
    clean(kafka, ["topic-name"], ["guide"])
    with collecting() as collection, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        names, _ = execute(block, kafka)
    (warning,) = [each for each in caught if each.category is DeprecationWarning]
    line = block.code.splitlines().index("@app.agent('topic-name')")
    assert (warning.filename, warning.lineno) == (str(GUIDE), block.line + line)
    assert "agent:process" in names["app"].explain()
    outputs: list[Output] = collection.outputs
    with running(kafka, outputs, "guide") as run:
        write(kafka, "topic-name", plain(b'{"id": 1}', b'{"id": 2}', b'{"id": 3}'))
        until(lambda: run.worker.statistics().pipelines[0].records_in == 3, what="three events")
        assert run.stop() == ExitCode.OK
    assert kafka.committed("guide", "topic-name") == kafka.end_offsets("topic-name")


def test_the_block_without_kafka_collects_what_is_over_the_limit() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        names, _ = execute(guide()["Testing Without Kafka", 1], None)
    assert printed.getvalue() == "Filtered: 3 rows\n"
    assert names["result"].column("id").to_pylist() == [2, 3, 4]
