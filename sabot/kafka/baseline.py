"""Where to start reading a partition, decided once for the whole group.

The client's own ``auto.offset.reset`` decides for each partition each time it is
assigned, so ``latest`` skips what arrived while a partition had no commit: after a crash
before the first commit, or between two members that start. Here ``latest`` is decided
once: the owner of the topic's lowest partition commits the end of *every* partition, as
a baseline that all members start from. From then on a partition without a commit is a
new one and is read from its beginning.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sabot.errors import (
    BrokerUnavailableError,
    CommitError,
    OffsetOutOfRangeError,
)
from sabot.types import TopicPartition

__all__ = ["Positions", "Reset", "out_of_range", "resolve_positions"]

Reset = Literal["earliest", "latest"]

_BEGINNING = -2
_END = -1


@dataclass(frozen=True, slots=True)
class Positions:
    """Where partitions start.

    Attributes:
        starts: The offset to read first.
        metadata: The text committed along with that offset, where there is one.
        ends: The present end of each partition whose start another member decides in a
            moment: it may wait there, paused. Ask again.
    """

    starts: Mapping[TopicPartition, int]
    metadata: Mapping[TopicPartition, str]
    ends: Mapping[TopicPartition, int]

    @property
    def pending(self) -> frozenset[TopicPartition]:
        """The partitions whose start is not decided yet."""
        return frozenset(self.ends)


def resolve_positions(
    consumer: Any,
    partitions: Iterable[TopicPartition],
    reset: Reset,
    *,
    timeout: float = 10.0,
    lock: contextlib.AbstractContextManager[Any] | None = None,
    known: Mapping[str, Sequence[int]] | None = None,
) -> Positions:
    """Decide where each of these partitions, just assigned to this member, starts.

    A committed position always wins. Reads are stable (an open transaction that commits
    offsets is waited for) as long as the consumer has ``isolation.level=read_committed``.

    Args:
        consumer: The group's consumer; it may be in its assignment callback.
        partitions: What this member owns now, or those of it that were pending.
        reset: Where a group without any commit on a topic starts.
        timeout: Seconds for each question to the cluster.
        lock: Held while a baseline is committed: that of the member's own commits.
        known: The topics' partitions; asked for where it is not given. In an assignment
            callback it must be: the client forgets which thread polls when that question
            returns there, and the next callback of the same poll (the complaint of a lost
            connection, say) aborts the process.

    Raises:
        BrokerUnavailableError: If the cluster does not answer in time.
        CommitError: If the baseline cannot be committed.
    """
    by_topic: dict[str, list[TopicPartition]] = {}
    for partition in partitions:
        by_topic.setdefault(partition.topic, []).append(partition)
    starts: dict[TopicPartition, int] = {}
    metadata: dict[TopicPartition, str] = {}
    ends: dict[TopicPartition, int] = {}
    for topic, owned in by_topic.items():
        if known is None:
            everywhere = _all_partitions(consumer, topic, timeout)
        else:
            # One that was added since then may be among the owned ones only.
            numbers = {*known[topic], *(partition.partition for partition in owned)}
            everywhere = [TopicPartition(topic, number) for number in sorted(numbers)]
        committed = _committed(consumer, everywhere, timeout)
        offsets = {partition: offset for partition, (offset, _) in committed.items()}
        missing = [partition for partition in owned if partition not in offsets]
        if missing and reset == "latest" and not offsets:
            if everywhere[0] not in owned:
                ends |= _listed(consumer, owned, _END, timeout)
                continue
            with lock or contextlib.nullcontext():
                offsets = _commit_baseline(consumer, everywhere, timeout)
        elif missing:
            offsets |= _listed(consumer, missing, _BEGINNING, timeout)
        starts |= {partition: offsets[partition] for partition in owned}
        metadata |= {p: committed[p][1] for p in owned if p in committed and committed[p][1]}
    return Positions(starts, metadata, ends)


def out_of_range(
    consumer: Any, partition: TopicPartition, offset: int, *, group_id: str, bootstrap: str
) -> OffsetOutOfRangeError:
    """Return the error for a position that the log does not hold, with the way out."""
    from confluent_kafka import KafkaException

    client = _client_partitions([partition])[0]
    try:
        low, high = consumer.get_watermark_offsets(client, timeout=2.0)
        held = f"the log holds {low} to {high}"
    except KafkaException as error:
        held = f"what the log holds cannot be asked ({error.args[0].str()})"
    return OffsetOutOfRangeError(
        f"{partition} is to be read from offset {offset}, but {held}; records are lost or the "
        "topic was created anew, and where to go on is yours to say: stop the group and run "
        f"sabot reset-offsets {group_id} {partition.topic} --partition {partition.partition} "
        f"--to earliest --broker {bootstrap} (or --to latest; with --state where steps keep any)"
    )


def _client_partitions(
    partitions: Iterable[TopicPartition], offsets: Mapping[TopicPartition, int] | int | None = None
) -> list[Any]:
    import confluent_kafka

    made = []
    for partition in partitions:
        given = offsets.get(partition) if isinstance(offsets, Mapping) else offsets
        if given is None:
            made.append(confluent_kafka.TopicPartition(partition.topic, partition.partition))
        else:
            made.append(confluent_kafka.TopicPartition(partition.topic, partition.partition, given))
    return made


def _all_partitions(consumer: Any, topic: str, timeout: float) -> list[TopicPartition]:
    described = _ask(lambda: consumer.list_topics(topic, timeout=timeout), "topic", timeout)
    numbers = sorted(described.topics[topic].partitions)
    if not numbers:
        raise BrokerUnavailableError(f"topic {topic!r} has no partitions at present")
    return [TopicPartition(topic, number) for number in numbers]


def _committed(
    consumer: Any, partitions: Sequence[TopicPartition], timeout: float
) -> dict[TopicPartition, tuple[int, str]]:
    client = _client_partitions(partitions)
    answer = _ask(lambda: consumer.committed(client, timeout=timeout), "committed offsets", timeout)
    offsets = _offsets(answer, "committed offsets")
    texts = {TopicPartition(each.topic, each.partition): each.metadata or "" for each in answer}
    return {partition: (offset, texts[partition]) for partition, offset in offsets.items()}


def _listed(
    consumer: Any, partitions: Sequence[TopicPartition], which: int, timeout: float
) -> dict[TopicPartition, int]:
    if not partitions:
        return {}
    client = _client_partitions(partitions, which)
    answer = _ask(
        lambda: consumer.offsets_for_times(client, timeout=timeout), "ends of the log", timeout
    )
    return _offsets(answer, "ends of the log")


def _commit_baseline(
    consumer: Any, partitions: Sequence[TopicPartition], timeout: float
) -> dict[TopicPartition, int]:
    from confluent_kafka import KafkaException

    ends = _listed(consumer, partitions, _END, timeout)
    # Asked again at the last moment: the member that owned the lowest partition before may
    # have committed since, and its baseline must not be moved.
    committed = _committed(consumer, partitions, timeout)
    if committed:
        offsets = {partition: offset for partition, (offset, _) in committed.items()}
        missing = [partition for partition in partitions if partition not in offsets]
        return offsets | _listed(consumer, missing, _BEGINNING, timeout)
    try:
        answer = consumer.commit(offsets=_client_partitions(ends, ends), asynchronous=False)
    except KafkaException as error:
        raise CommitError(
            f"the start of topic {partitions[0].topic!r} cannot be committed: {error.args[0].str()}"
        ) from error
    for partition in answer:
        if partition.error is not None:
            raise CommitError(
                f"the start of {partition.topic}[{partition.partition}] cannot be committed: "
                f"{partition.error.str()}"
            )
    return ends


def _ask(question: Any, what: str, timeout: float) -> Any:
    from confluent_kafka import KafkaException

    try:
        return question()
    except KafkaException as error:
        raise BrokerUnavailableError(
            f"the cluster did not tell the {what} within {timeout:g} s: {error.args[0].str()}"
        ) from error


def _offsets(answer: Iterable[Any], what: str) -> dict[TopicPartition, int]:
    found: dict[TopicPartition, int] = {}
    for partition in answer:
        name = TopicPartition(partition.topic, partition.partition)
        if partition.error is not None:
            raise BrokerUnavailableError(
                f"the cluster did not tell the {what} of {name}: {partition.error.str()}"
            )
        if partition.offset >= 0:
            found[name] = partition.offset
    return found
