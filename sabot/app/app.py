"""`App`: a name, a broker, and what runs under them."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sabot.api.stream import OutputStream, Stream
from sabot.errors import ConfigurationError, PlanError
from sabot.plan.explain import explain
from sabot.plan.nodes import AgentNode
from sabot.plan.outputs import Output, current_collection

if TYPE_CHECKING:
    from sabot.runtime.settings import WorkerSettings
    from sabot.runtime.statistics import WorkerStatistics
    from sabot.runtime.worker import Worker

__all__ = ["App"]

Handler = TypeVar("Handler", bound=Callable[..., Any])


class _Owner(str):
    """An app's id that is told from the same id of another app, by identity.

    A test suite or a notebook makes one app after the other under one id; none of them
    must run what an earlier one was given.
    """

    __slots__ = ()


class App:
    """Hosts streams and agents; inert until it is run.

    Args:
        id: Names the app: the default consumer group, the clients, the dead letters.
            Workers with the same id share the work.
        broker: ``"host:port"``, several with commas, or ``"embedded://"``.
        settings: How its worker behaves.

    Raises:
        ConfigurationError: If the id or the broker is not usable.

    Example:
        >>> app = App("billing", broker="localhost:9092")
        >>> orders = app.stream("orders")
        >>> print(orders.explain())
        kafka 'orders' (json), group 'billing' at localhost:9092
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the word users and the broker's tools use
        broker: str = "localhost:9092",
        *,
        settings: WorkerSettings | None = None,
    ) -> None:
        if not isinstance(id, str) or not id.strip():
            raise ConfigurationError(f"an app's id must be a text that is not empty; got {id!r}")
        if not isinstance(broker, str) or not broker.strip():
            raise ConfigurationError(f"broker must be 'host:port' or 'embedded://'; got {broker!r}")
        self.id = id
        self._owner = _Owner(id)
        self.broker = broker
        self.settings = settings
        self._outputs: list[Output] = []
        self._tasks: list[Callable[[], Any]] = []
        self._worker: Worker | None = None
        current_collection().apps.append(self)

    def __repr__(self) -> str:
        return f"App({self.id!r}, broker={self.broker!r})"

    # --- defining -------------------------------------------------------------------

    def stream(self, topic: str, **options: Any) -> Stream:
        """Read a topic; what is built on the stream belongs to this app.

        Args:
            topic: The topic.
            **options: As for `Stream.from_kafka`; ``bootstrap_servers`` is the app's
                broker and ``group_id`` its id unless given.
        """
        broker = options.pop("bootstrap_servers", self.broker)
        group = options.pop("group_id", self.id)
        stream = Stream.from_kafka(broker, topic, group, **options)
        return Stream(stream.node, owner=self._owner)

    def add(self, output: OutputStream) -> OutputStream:
        """Let this app run an output that was built from a bare `Stream`.

        Raises:
            PlanError: If the output belongs to another app.
        """
        if not isinstance(output, OutputStream):
            raise PlanError(
                f"add takes what to_kafka or for_each returned; got {type(output).__name__}"
            )
        if output.output.owner not in (None, self.id):
            raise PlanError(
                f"output {output.name!r} belongs to app {output.output.owner!r} already"
            )
        output.output.owner = self._owner
        if not any(known is output.output for known in self._outputs):
            self._outputs.append(output.output)
        return output

    def agent(
        self, topic: str, *, name: str | None = None, **options: Any
    ) -> Callable[[Handler], Handler]:
        """Handle a topic one event at a time.

        The function gets a stream of decoded values to iterate with ``async for``. An
        event is finished when the next one is asked for, or the function returns; one
        that raises stops the app at that record.

        .. deprecated:: 0.1
            Use `stream` and its steps: they see whole batches and are many times faster.

        Args:
            topic: The topic to read.
            name: What logs call the agent; the function's name by default.
            **options: As for `stream`. With ``key_codec_type`` or ``headers_column`` an event
                is a dict that has the key and the headers by their columns' names; a value
                that is no document is in it as ``"value"``. With ``retry_topic`` the agent
                takes the dead letters of its own that ``sabot dlq replay`` sends there.
        """
        if not isinstance(topic, str):
            raise ConfigurationError(f"@app.agent needs a topic's name; got {topic!r}")

        def decorate(function: Handler) -> Handler:
            if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
                raise PlanError(
                    f"agent {getattr(function, '__name__', function)!r} must be written with "
                    f"'async def' and take the stream as its argument"
                )
            label = name or function.__name__
            _warn_of_agent(function, topic, label)
            node = AgentNode(self.stream(topic, **options).node, function, f"agent:{label}")
            file = function.__code__.co_filename
            current_collection().add(Output(node, owner=self._owner, file=file))
            self._claim()
            return function

        return decorate

    def task(self, function: Handler) -> Handler:
        """Run a function beside the pipelines, from start to stop.

        A coroutine function runs on the app's event loop and is cancelled at the stop;
        another runs on a thread of its own. One that raises ends the worker.
        """
        self._tasks.append(function)
        return function

    @property
    def outputs(self) -> Sequence[Output]:
        """What this app runs, in the order it was defined."""
        self._claim()
        return tuple(self._outputs)

    @property
    def tasks(self) -> Sequence[Callable[[], Awaitable[Any] | Any]]:
        """The functions that run beside the pipelines."""
        return tuple(self._tasks)

    def explain(self) -> str:
        """Return the plans of all outputs as text, sources first."""
        return explain([output.node for output in self.outputs])

    def _claim(self) -> None:
        """Take the outputs that descend from this app's streams."""
        for output in current_collection().outputs:
            if output.owner is self._owner and not any(o is output for o in self._outputs):
                self._outputs.append(output)

    # --- running --------------------------------------------------------------------

    def worker(self) -> Worker:
        """Return a new worker for what has been defined."""
        from sabot.runtime.worker import Worker

        return Worker(self.outputs, name=self.id, tasks=self.tasks, settings=self.settings)

    def run(self) -> None:
        """Run until a signal comes or all sources have ended, on the main thread.

        Raises:
            SabotError: The first cause, if the run fails.
        """
        worker = self.worker()
        self._worker = worker
        try:
            code = worker.run()
        finally:
            self._worker = None
        if worker.failure is not None:
            raise worker.failure
        if code:
            sys.exit(code)

    async def start(self) -> None:
        """Begin to run inside a host's event loop; touches no signals."""
        if self._worker is not None:
            raise PlanError(f"app {self.id!r} runs already")
        self._worker = self.worker()
        await self._worker.start()

    async def stop(self) -> None:
        """Drain and end what `start` began; stopping twice is fine.

        Raises:
            SabotError: The first cause, if the run had failed.
        """
        worker, self._worker = self._worker, None
        if worker is None:
            return
        await worker.stop()
        if worker.failure is not None:
            raise worker.failure

    def statistics(self) -> WorkerStatistics | None:
        """Return how the running worker is; ``None`` while none runs."""
        return None if self._worker is None else self._worker.statistics()


def _warn_of_agent(function: Callable[..., Any], topic: str, label: str) -> None:
    # At the line of the user's function, whatever decorates it.
    warnings.warn_explicit(
        f"agent {label!r} handles one event at a time; the Stream API sees whole batches: "
        f"app.stream({topic!r}).map(...).to_kafka(...) (docs/migration.md)",
        DeprecationWarning,
        filename=function.__code__.co_filename,
        lineno=function.__code__.co_firstlineno,
        registry=function.__globals__.setdefault("__warningregistry__", {}),
    )
