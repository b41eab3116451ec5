"""`Stream`: columnar pipelines from Kafka to Kafka, built step by step.

A stream is inert data: each method returns a new stream and nothing is read or written
until a worker runs the outputs. Branches that start from one stream object share its
consumer, its decode and its steps.

A function given to a step receives a ``pyarrow.RecordBatch`` whose columns also carry the
comparison, logical and arithmetic operators. It is called once per batch; it must depend
on nothing but the rows it is given (it may be called again on parts of a batch to find
the row that makes it fail). A step never sees an empty batch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabot.codecs.codec import Codec
from sabot.connectors.memory import MemorySource
from sabot.errors import ConfigurationError, PlanError
from sabot.plan.explain import explain
from sabot.plan.names import check_store_name, step_name
from sabot.plan.nodes import (
    Drop,
    Filter,
    FlatMap,
    ForEach,
    Map,
    Node,
    Rename,
    Scan,
    Select,
    Stateful,
    Terminal,
    Union,
    WithColumns,
    Write,
    ancestors,
)
from sabot.plan.outputs import Output, current_collection

__all__ = ["OutputStream", "Stream"]

BatchFunction = Callable[[pa.RecordBatch], Any]
StepFunction = Callable[[Any, dict[str, Any]], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Rows on their way; immutable.

    Example:
        >>> stream = Stream.from_pylist([{"n": 1, "t": "a"}, {"n": 9, "t": "b"}])
        >>> stream.filter(lambda b: (b["n"] > 5) & (b["t"] == "b")).to_pylist()
        [{'n': 9, 't': 'b'}]
    """

    node: Node
    owner: str | None = None

    # --- where rows come from -------------------------------------------------------

    @classmethod
    def from_kafka(
        cls,
        bootstrap_servers: str,
        topic: str,
        group_id: str,
        codec_type: str | Codec = "json",
        codec_options: dict[str, Any] | None = None,
        batch_size: int = 1000,
        **consumer_kwargs: Any,
    ) -> Stream:
        """Read a topic as a member of a consumer group.

        Args:
            bootstrap_servers: ``"host:port"``, several with commas, or ``"embedded://"``.
            topic: The topic; it must exist when the worker starts.
            group_id: The consumer group. Streams of one worker with equal brokers and
                group share one consumer.
            codec_type: How values are encoded: a registered name or a `Codec`. Pipelines
                cannot share one object, since each runs in a thread of its own.
            codec_options: Options of that codec.
            batch_size: Most records a step sees at once; a bound, never a wait. It wins
                over ``max_poll_records``.
            **consumer_kwargs: Fields of `sabot.kafka.source.KafkaSourceConfig`, or any
                librdkafka consumer property with ``_`` for ``.``.

        Raises:
            ConfigurationError: For an unknown option, with the nearest valid name, or a
                value that is not allowed.
        """
        from sabot.kafka.source import KafkaSourceConfig

        config = KafkaSourceConfig.from_options(
            bootstrap_servers,
            topic,
            group_id,
            codec_type,
            codec_options,
            batch_size,
            **consumer_kwargs,
        )
        scan, retries = Scan(config), config.retries()
        if retries is None:
            return cls(scan)
        return cls(Union((scan, Scan(retries)), f"retries:{retries.topic}"))

    @classmethod
    def from_batches(cls, batches: Iterable[Any]) -> Stream:
        """Read record batches or tables that are in memory, in order, then end.

        Example:
            >>> batch = pa.RecordBatch.from_pydict({"id": [1, 2]})
            >>> Stream.from_batches([batch, batch]).collect().num_rows
            4
        """
        return cls(Scan(MemorySource.from_batches(batches)))

    @classmethod
    def from_pylist(cls, rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None) -> Stream:
        """Read dicts that are in memory, then end; a missing key is null."""
        return cls(Scan(MemorySource.from_pylist(rows, schema)))

    # --- steps ----------------------------------------------------------------------

    def filter(
        self, predicate: BatchFunction, *, name: str | None = None, raw: bool = False
    ) -> Stream:
        """Keep the rows for which ``predicate`` is true.

        Null counts as false. Offsets of dropped rows are still committed.

        Args:
            predicate: Called once per batch; returns one boolean per row.
            name: What errors and ``explain()`` call the step.
            raw: Hand the function a plain ``pyarrow.RecordBatch`` (its columns carry no
                operators; it has a trailing column ``__row__``).

        Example:
            >>> Stream.from_pylist([{"n": 1}, {"n": 9}]).filter(lambda b: b["n"] > 5).to_pylist()
            [{'n': 9}]
        """
        _check_callable("filter", predicate)
        return self._step(Filter(self.node, predicate, self._name("filter", name), raw))

    def map(
        self,
        function: BatchFunction,
        *,
        name: str | None = None,
        repeatable: bool = True,
        raw: bool = False,
    ) -> Stream:
        """Replace each batch by what ``function`` returns for it.

        Keys and timestamps follow rows through a function that filters, sorts, takes or
        adds columns. A function that builds a new batch with as many rows as it got is
        taken to keep their order.

        Args:
            function: Called once per batch; returns a ``pyarrow.RecordBatch``.
            name: What errors and ``explain()`` call the step.
            repeatable: Say ``False`` when a second call with the same rows would do
                harm. The function then gets one row at a time, and a row that fails is
                never looked for by calling it again. It can still see a row twice: after
                a crash, and when a later step or the sink has to try the row again.
            raw: As in `filter`.

        Example:
            >>> rows = Stream.from_pylist([{"n": 2}])
            >>> rows.map(lambda b: b.append_column("double", b["n"] * 2)).to_pylist()
            [{'n': 2, 'double': 4}]
        """
        _check_callable("map", function)
        return self._step(Map(self.node, function, self._name("map", name), repeatable, raw))

    def flat_map(
        self, function: BatchFunction, *, name: str | None = None, raw: bool = False
    ) -> Stream:
        """Replace each batch by any number of rows.

        Args:
            function: Called once per batch; returns a record batch, a table, or a list
                of record batches or of dicts.
            name, raw: As in `filter`.

        Example:
            >>> rows = Stream.from_pylist([{"n": 2}])
            >>> rows.flat_map(lambda b: [{"n": 1}, {"n": 2}]).to_pylist()
            [{'n': 1}, {'n': 2}]
        """
        _check_callable("flat_map", function)
        return self._step(FlatMap(self.node, function, self._name("flat_map", name), raw))

    def select(self, *columns: str, name: str | None = None) -> Stream:
        """Keep only these columns, in this order.

        Example:
            >>> Stream.from_pylist([{"a": 1, "b": 2}]).select("b").to_pylist()
            [{'b': 2}]
        """
        return self._step(Select(self.node, _names("select", columns), self._name("select", name)))

    def drop(self, *columns: str, name: str | None = None) -> Stream:
        """Leave these columns out.

        Example:
            >>> Stream.from_pylist([{"a": 1, "b": 2}]).drop("b").to_pylist()
            [{'a': 1}]
        """
        return self._step(Drop(self.node, _names("drop", columns), self._name("drop", name)))

    def rename(self, names: Mapping[str, str], *, name: str | None = None) -> Stream:
        """Give columns other names.

        Args:
            names: Old name to new name; the other columns keep theirs.
            name: What errors and ``explain()`` call the step.

        Example:
            >>> Stream.from_pylist([{"a": 1}]).rename({"a": "id"}).to_pylist()
            [{'id': 1}]
        """
        if not isinstance(names, Mapping) or not names:
            raise PlanError(f"rename takes a mapping of old to new names; got {names!r}")
        return self._step(Rename(self.node, dict(names), self._name("rename", name)))

    def with_columns(
        self,
        columns: Mapping[str, Any] | None = None,
        /,
        *,
        name: str | None = None,
        **named: Any,
    ) -> Stream:
        """Add columns, or replace those whose name exists.

        Args:
            columns: Name to a function of the batch, a ``pyarrow`` expression, or one
                value for all rows.
            name: What errors and ``explain()`` call the step.
            **named: The same, as keywords.

        Example:
            >>> rows = Stream.from_pylist([{"n": 2}])
            >>> rows.with_columns(double=lambda b: b["n"] * 2, unit="eur").to_pylist()
            [{'n': 2, 'double': 4, 'unit': 'eur'}]
        """
        wanted = {**(columns or {}), **named}
        if not wanted:
            raise PlanError("with_columns needs at least one column")
        return self._step(WithColumns(self.node, wanted, self._name("with_columns", name)))

    def stateful(
        self,
        function: StepFunction,
        *,
        store: str,
        key: str | None = None,
        name: str | None = None,
    ) -> Stream:
        """Make of each row, and of what is kept under its key, a new state and an output.

        ``function(state, row)`` gets the state of the row's key (``None`` for a key
        without any) and the row as a dict, one row at a time, in order. It returns
        ``(state, output)``: the state to keep (``None`` forgets the key) and a dict to
        send on (or a list of dicts, or ``None`` for nothing). State is kept per
        partition, under the record's own key, in a changelog topic, and is as of the last
        commit after any crash (``docs/state.md``).

        Args:
            function: Must depend on nothing but its arguments: after a failure it is
                called again with the same row and the same state.
            store: Names the state, and its changelog ``{app}-{store}-changelog``. It is
                found again by this name after a deployment.
            key: A column that holds the record's key, for sources without keys; where
                records have keys it must be equal to them.
            name: What errors and ``explain()`` call the step.

        State may be text, numbers, booleans, ``None``, bytes, ``Decimal``, dates and times,
        and lists, tuples and dicts of them (`sabot.state.value`). A row without a key, and
        one for which the function raises, is a failed record; its state stays as it was.

        Raises:
            PlanError: If the store's name is not usable.

        Example:
            >>> def count(seen, row):
            ...     seen = (seen or 0) + 1
            ...     return seen, {"t": row["t"], "seen": seen}
            >>> rows = Stream.from_pylist([{"t": "a"}, {"t": "b"}, {"t": "a"}])
            >>> rows.stateful(count, store="seen", key="t").to_pylist()
            [{'t': 'a', 'seen': 1}, {'t': 'b', 'seen': 1}, {'t': 'a', 'seen': 2}]
        """
        _check_callable("stateful", function)
        check_store_name(store)
        label = self._name("stateful", name)
        return self._step(Stateful(self.node, function, label, store, key))

    def union(self, *others: Stream, name: str | None = None) -> Stream:
        """Put the rows of several streams into one.

        Order holds within each stream, not between them. All sources must be read by
        one consumer group of one cluster, so that one commit covers them.

        Example:
            >>> a, b = Stream.from_pylist([{"n": 1}]), Stream.from_pylist([{"n": 2}])
            >>> a.union(b).to_pylist()
            [{'n': 1}, {'n': 2}]
        """
        if not others or not all(isinstance(other, Stream) for other in others):
            raise PlanError(f"union takes one or more streams; got {others!r}")
        members = (self.node, *(other.node for other in others))
        node = Union(members, name or step_name("union", self.node))
        _check_one_group(node)
        return Stream(node, self.owner or next((o.owner for o in others if o.owner), None))

    # --- where rows go --------------------------------------------------------------

    def to_kafka(
        self,
        bootstrap_servers: str,
        topic: str,
        codec_type: str | Codec = "json",
        codec_options: dict[str, Any] | None = None,
        compression_type: str = "lz4",
        key_extractor: Callable[[dict[str, Any]], bytes | None] | str | None = None,
        **producer_kwargs: Any,
    ) -> OutputStream:
        """Write each row as a record; returns at once, a worker does the writing.

        Without a ``key_extractor`` a row keeps the key of the record it came from, and
        in any case its timestamp. A row that no step changed keeps its bytes where the
        codec is the same; columns that steps only added are added to those bytes.

        Args:
            bootstrap_servers: As in `from_kafka`.
            topic: The topic to write to.
            codec_type, codec_options: How to encode values.
            compression_type: ``none``, ``gzip``, ``snappy``, ``lz4`` or ``zstd``.
            key_extractor: A function of the row as a dict that returns the key's bytes,
                or the name of a column whose value becomes the key (text as UTF-8).
            **producer_kwargs: Any librdkafka producer property with ``_`` for ``.``, and
                what is made of further columns: ``key_codec_type`` and
                ``key_codec_options`` encode the column ``key_column`` (``"key"``) as the
                key, ``headers_column`` names a list of structs of ``name`` and ``value``;
                none of these columns is written into the value. ``tombstones=True``
                writes a row of nulls as a record without a value.

        Raises:
            ConfigurationError: For an unknown option, with the nearest valid name.
        """
        from sabot.kafka.sink import KafkaSinkConfig

        config = KafkaSinkConfig.from_options(
            bootstrap_servers,
            topic,
            codec_type,
            codec_options,
            compression_type,
            key_extractor,
            **producer_kwargs,
        )
        return self._output(Write(self.node, config, f"to_kafka:{topic}"))

    def for_each(
        self, function: Callable[[dict[str, Any]], Any], *, name: str | None = None
    ) -> OutputStream:
        """Call ``function`` for each row, as a dict, in order, for its effect.

        A row's offset is committed only after the function has returned for it.
        """
        _check_callable("for_each", function)
        return self._output(ForEach(self.node, function, self._name("for_each", name)))

    def collect(self, *, limit: int | None = None, timeout: float | None = None) -> pa.Table:
        """Run the plan here and now, and return its rows.

        A Kafka source is read without joining the group and without committing, from
        where ``auto_offset_reset`` says, so that looking never disturbs a worker.

        Args:
            limit: Return at most this many rows.
            timeout: Return what there is after this many seconds.

        Raises:
            PlanError: On a source without an end, if neither bound is given.
        """
        from sabot.runtime.driver import collect

        return collect(self.node, limit=limit, timeout=timeout)

    def to_pylist(
        self, *, limit: int | None = None, timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """Like `collect`, as a list of dicts."""
        rows: list[dict[str, Any]] = self.collect(limit=limit, timeout=timeout).to_pylist()
        return rows

    def explain(self) -> str:
        """Return the plan as text, sources first.

        Example:
            >>> print(Stream.from_pylist([{"n": 1}]).select("n").explain())
            memory, 1 rows in 1 batches
            └─ select-1: n
        """
        return explain([self.node])

    # --- inside ---------------------------------------------------------------------

    def _name(self, kind: str, name: str | None) -> str:
        return name or step_name(kind, self.node)

    def _step(self, node: Node) -> Stream:
        return Stream(node, self.owner)

    def _output(self, node: Terminal) -> OutputStream:
        file = sys._getframe(2).f_code.co_filename
        output = Output(node, owner=self.owner, file=file)
        replaced = current_collection().add(output)
        if replaced is not None:
            sys.stderr.write(f"sabot: replaces the earlier output {node.name!r} of this session\n")
        return OutputStream(output)


@dataclass(frozen=True, slots=True, eq=False)
class OutputStream:
    """A plan with an end: what ``sabot worker`` runs."""

    output: Output

    @property
    def name(self) -> str:
        """What logs and ``explain()`` call it."""
        return self.output.node.name

    def explain(self) -> str:
        """Return the plan as text, sources first."""
        return explain([self.output.node])

    def run(self) -> None:
        """Run this output until its sources end or a signal comes, then return.

        Other outputs of the same file that read with the same consumer group run along:
        alone, this one would commit records the others have not seen.

        Raises:
            SabotError: The first cause, if the run fails.
        """
        from sabot.runtime.run_outputs import run_outputs

        collection = current_collection()
        run_outputs([self.output], siblings=collection.outputs)

    def commit(self, timeout: float = 30.0) -> None:
        """Commit what is finished, and return when that is durable.

        For sources with ``enable_auto_commit=False``, from the running worker's process.

        Raises:
            PlanError: If the output is not running.
            CommitError: If the broker refuses.
        """
        runner = self.output.runner
        if runner is None:
            raise PlanError(f"output {self.name!r} is not running; there is nothing to commit")
        runner.commit_now(timeout)


def _check_callable(kind: str, function: object) -> None:
    if not callable(function):
        raise PlanError(
            f"{kind} takes a function of a record batch; got {type(function).__name__} {function!r}"
        )


def _names(kind: str, columns: tuple[Any, ...]) -> tuple[str, ...]:
    if len(columns) == 1 and isinstance(columns[0], list | tuple):
        columns = tuple(columns[0])
    if not columns or not all(isinstance(column, str) for column in columns):
        raise PlanError(f"{kind} takes one or more column names; got {columns!r}")
    return columns


def _check_one_group(node: Node) -> None:
    sources = [scan.source for scan in ancestors(node) if isinstance(scan, Scan)]
    if len({getattr(source, "domain", None) for source in sources}) > 1:
        raise ConfigurationError(
            f"union needs sources of one cluster and one group_id, since one commit must "
            f"cover them; got {'; '.join(source.title for source in sources)}"
        )
