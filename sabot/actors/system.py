"""The supervision tree: starts actors, hears of failures, stops everything."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sabot.actors.actor import Actor
from sabot.actors.cell import ThreadCell
from sabot.actors.group import Group
from sabot.actors.mailbox import Mailbox
from sabot.actors.ref import ActorRef
from sabot.actors.statistics import ActorStatistics
from sabot.actors.supervision import Strategy, Supervision
from sabot.actors.supervisor import first_line
from sabot.clock import Clock, SystemClock
from sabot.errors import ActorError, ActorStoppedError

__all__ = ["ActorSystem", "Escalation"]

logger = logging.getLogger(__name__)

Escalation = Callable[[ActorRef, BaseException], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """An actor's place in the tree."""

    ref: ActorRef
    cell: ThreadCell
    parent: _Place | None

    def is_below(self, root: ActorRef) -> bool:
        """Return whether it is ``root`` itself or one of its descendants."""
        return self.ref is root or (self.parent is not None and self.parent.is_below(root))


class ActorSystem:
    """All actors of one process or one test, in one tree; there is no global one.

    An actor that cannot go on escalates: to its parent, from there to the parent's parent
    and so on, as long as `Supervision.child_strategy` says ESCALATE. What passes the root
    goes to the callbacks given to `on_escalation`, and the first such error is kept as
    `first_failure`: it decides the exit code. The system stops nothing by itself.

    Start who receives before who sends. Stopping goes the other way round, so a sender has
    ended before the actor it sends to takes no more.

    Args:
        clock: What all actors take time from.
        group: What the restart of a root means for the other roots.
    """

    def __init__(
        self, clock: Clock | None = None, *, group: Group | str = Group.ONE_FOR_ONE
    ) -> None:
        self._group = Group(group)
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        self._callbacks: list[Escalation] = []
        self._is_stopping = False
        self._first_failure: tuple[ActorRef, BaseException] | None = None

    @property
    def first_failure(self) -> tuple[ActorRef, BaseException] | None:
        """The first error that passed the root, and the actor it came from."""
        return self._first_failure

    def on_escalation(self, callback: Escalation) -> None:
        """Call ``callback(ref, error)`` for each error that passes the root.

        It runs on the failed actor's thread, before that actor's ``stopping``, so it
        should only take note and return.
        """
        self._callbacks.append(callback)

    def spawn(
        self,
        actor: Actor,
        mailbox: Mailbox,
        *,
        parent: ActorRef | None = None,
        supervision: Supervision | None = None,
        kind: str | None = None,
    ) -> ActorRef:
        """Start an actor on a thread of its own.

        Args:
            actor: The actor; its name must not be in use. An actor that has ended leaves
                its name free.
            mailbox: Its mailbox, which nobody else may take from.
            parent: The actor it belongs to; it is stopped before that one.
            supervision: How its failures are answered.
            kind: What it is, for statistics; its class name by default.

        Raises:
            ActorError: If the name is in use or the parent is not of this system.
            ActorStoppedError: If the system is stopping or the parent has ended.
        """
        cell = ThreadCell(
            actor,
            mailbox,
            supervision=supervision,
            kind=kind,
            clock=self._clock,
            on_escalation=self._escalated,
            on_restart=self._restarting,
        )
        ref = ActorRef(cell)
        with self._lock:
            self._refuse(actor.name)
            place = _Place(ref, cell, self._place_of(parent, actor.name) if parent else None)
            self._places.pop(actor.name, None)  # so that the order is the order of start
            self._places[actor.name] = place
            try:
                cell.start()
            except BaseException:
                del self._places[actor.name]  # no thread, so it would never end
                raise
        return ref

    def children(self, parent: ActorRef | None = None) -> tuple[ActorRef, ...]:
        """Return the actors right below ``parent``, or the roots, in order of start."""
        return tuple(
            p.ref for p in self._snapshot() if (p.parent.ref if p.parent else None) is parent
        )

    def tree(self, parent: ActorRef | None = None) -> Iterator[tuple[int, ActorRef]]:
        """Yield each actor below ``parent`` with its depth, parents before children."""
        for ref in self.children(parent):
            yield 0, ref
            for depth, child in self.tree(ref):
                yield depth + 1, child

    def statistics(self) -> tuple[ActorStatistics, ...]:
        """Return how each actor is, in order of start; ended ones included."""
        return tuple(place.cell.statistics() for place in self._snapshot())

    def stop(
        self,
        timeout: float,
        *,
        below: ActorRef | None = None,
        drain: bool = True,
        grace: float = 1.0,
    ) -> list[ActorRef]:
        """Stop all actors, last started first, so children before their parents.

        Each is drained before the next is asked to stop. When ``timeout`` is over, all
        that is left is told to abandon its work, and gets ``grace`` seconds to do so.
        Messages that were not done are lost here: their source must send them again.

        Called on an actor's own thread it asks that actor to stop, but does not wait for
        it and does not report it.

        Args:
            timeout: Seconds for draining, all actors together.
            below: Stop only this actor and its descendants; the system goes on.
            drain: Whether mailboxes are worked off first.
            grace: Seconds for what did not stop in time.

        Returns:
            Those that did not stop; the log has what their threads are doing.
        """
        with self._lock:
            self._is_stopping = self._is_stopping or below is None
            places = list(self._places.values())
        chosen = [p.cell for p in reversed(places) if below is None or p.is_below(below)]
        deadline = self._clock.monotonic() + timeout
        for cell in chosen:
            cell.request_stop(drain=drain)
            cell.join(max(0.0, deadline - self._clock.monotonic()))
        late = [cell for cell in chosen if not cell.has_ended]
        for cell in late:
            cell.request_stop(drain=False)
        deadline = self._clock.monotonic() + grace
        for cell in late:
            cell.join(max(0.0, deadline - self._clock.monotonic()))
        return self._report([cell for cell in late if not cell.has_ended])

    def _report(self, hanging: list[ThreadCell]) -> list[ActorRef]:
        own = threading.current_thread()
        others = [cell for cell in hanging if not cell.runs_on(own)]
        for cell in others:
            logger.error(
                "actor %r did not stop; its thread is at\n%s",
                cell.name,
                cell.stack(),
                extra={"actor": cell.name},
            )
        refs = {place.cell: place.ref for place in self._snapshot()}
        return [refs[cell] for cell in others]

    def _refuse(self, name: str) -> None:
        if self._is_stopping:
            raise ActorStoppedError(f"the system is stopping, so actor {name!r} does not start")
        taken = self._places.get(name)
        if taken is not None and not taken.cell.has_ended:
            raise ActorError(f"there is an actor {name!r} already; names are unique")

    def _place_of(self, parent: ActorRef, child: str) -> _Place:
        place = self._places.get(parent.name)
        if place is None or place.ref is not parent:
            raise ActorError(f"parent {parent.name!r} of actor {child!r} is not of this system")
        if parent.has_ended:
            raise ActorStoppedError(f"parent {parent.name!r} of actor {child!r} has ended")
        return place

    def _snapshot(self) -> list[_Place]:
        with self._lock:
            return list(self._places.values())

    def _restarting(self, cell: ThreadCell, error: Exception) -> None:
        place = self._places[cell.name]
        above = place.parent
        group = self._group if above is None else Group(above.cell.supervision.group)
        if group is Group.ONE_FOR_ONE:
            return
        siblings = {p.cell.name: p.cell for p in self._snapshot() if p.parent is above}
        for name in group.others(list(siblings), cell.name):
            siblings[name].begin_anew(error)

    def _escalated(self, cell: ThreadCell, error: BaseException) -> None:
        place = self._places[cell.name]
        ref, above = place.ref, place.parent
        while above is not None:
            if above.cell.supervision.child_strategy is Strategy.STOP:
                logger.error(
                    "actor %r stays stopped and its parent %r goes on: %s",
                    cell.name,
                    above.cell.name,
                    first_line(error),
                    extra={"actor": cell.name},
                )
                return
            above = above.parent
        with self._lock:
            self._first_failure = self._first_failure or (ref, error)
        if not self._callbacks:
            logger.critical("nobody hears of the end of actor %r", cell.name, exc_info=error)
        for callback in tuple(self._callbacks):
            callback(ref, error)
