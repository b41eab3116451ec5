"""Actors that users write: one function, one message at a time."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from sabot.actors import Actor, ActorRef, ActorSystem, ByteBudget, Mailbox, Supervision
from sabot.errors import ActorStoppedError, MailboxFullError, PlanError
from sabot.runtime.supervising import cell_supervision
from sabot.runtime.userloop import UserLoop

__all__ = ["UserActor"]

_LOOK_SECONDS = 0.5


class UserActor:
    """An actor made of a function by ``@app.actor``, and the way to it.

    The function is called with one message at a time, on a thread of the actor's own, or
    on the user loop where it is written with ``async def``. What only it touches needs no
    lock. Messages wait in memory: they are no records, belong to no checkpoint, and a
    process that dies takes them along.

    Args:
        function: Called with each message; what it returns answers `ask`.
        name: Names it in logs and statistics.
        capacity: Messages that wait at most.
        supervision: What becomes of it when the function raises for what was told. An
            error for what was asked goes to whoever asked.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        name: str,
        *,
        capacity: int = 1000,
        supervision: Supervision | None = None,
    ) -> None:
        self.function = function
        self.name = name
        self.capacity = capacity
        self.supervision = supervision
        self._ref: ActorRef | None = None

    def __repr__(self) -> str:
        return f"<actor {self.name!r}>"

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if an error did."""
        return None if self._ref is None else self._ref.failure

    def tell(self, message: Any, *, timeout: float = 5.0) -> None:
        """Send a message and do not wait for what becomes of it.

        Args:
            message: What the function is called with.
            timeout: Seconds to wait for room. A coroutine never waits here, since it
                would hold up the event loop.

        Raises:
            MailboxFullError: If there was no room.
            ActorStoppedError: If the actor does not run.
        """
        self._send(_Letter(message), timeout)

    def ask(self, message: Any, *, timeout: float = 5.0) -> Any:
        """Send a message and wait for the answer; not for coroutines.

        Args:
            message: What the function is called with.
            timeout: Seconds to wait at most, the room in the mailbox included. An answer
                that comes later is lost.

        Raises:
            TimeoutError: If no answer came in time.
            MailboxFullError: If there was no room.
            ActorStoppedError: If the actor does not run, or ends before it answers.
            PlanError: On a thread whose event loop runs; there, await `ask_async`.
        """
        if _in_a_loop():
            raise PlanError(
                f"ask() would block the event loop; write: await {self.name}.ask_async(...)"
            )
        deadline = time.monotonic() + timeout
        reply: Future[Any] = Future()
        ref = self._send(_Letter(message, reply), timeout)
        while True:
            left = deadline - time.monotonic()
            with contextlib.suppress(FutureTimeoutError):
                return reply.result(max(0.0, min(left, _LOOK_SECONDS)))
            if reply.done():
                return reply.result()
            if left <= 0:
                reply.cancel()
                raise TimeoutError(f"actor {self.name!r} did not answer within {timeout:g} s")
            if ref.has_ended:
                raise ActorStoppedError(f"actor {self.name!r} ended before it could answer")

    async def ask_async(
        self,
        message: Any,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 - as `ask` has it
    ) -> Any:
        """Send a message and await the answer.

        Raises:
            TimeoutError: If no answer came in time.
            MailboxFullError: If there was no room.
            ActorStoppedError: If the actor does not run.
        """
        reply: Future[Any] = Future()
        self._send(_Letter(message, reply), timeout)
        return await asyncio.wait_for(asyncio.wrap_future(reply), timeout)

    def spawn(
        self,
        system: ActorSystem,
        loop: UserLoop,
        *,
        budget: ByteBudget | None = None,
        default: Supervision | None = None,
    ) -> ActorRef:
        """Start it; called by the worker that hosts it.

        Args:
            system: Where it lives.
            loop: Where a coroutine function runs.
            budget: The bytes mailboxes share.
            default: The app's supervision, where it has none of its own.
        """
        supervision = self.supervision or default or Supervision()
        self._ref = system.spawn(
            _Body(self.name, self.function, loop),
            Mailbox(self.capacity, 1 << 40, budget=budget),
            supervision=cell_supervision(supervision, resumes=True),
            kind="actor",
        )
        return self._ref

    def stop(self, timeout: float) -> None:
        """Have it work off what waits, so long at most, and end it."""
        if self._ref is not None:
            self._ref.stop(timeout=timeout)

    def _send(self, letter: _Letter, timeout: float) -> ActorRef:
        ref = self._ref
        if ref is None:
            raise ActorStoppedError(f"actor {self.name!r} does not run; no worker hosts it")
        if ref.offer(letter):
            return ref
        if _in_a_loop():
            raise MailboxFullError(
                f"actor {self.name!r} has {self.capacity} messages waiting and takes no more now"
            )
        ref.tell(letter, timeout=timeout)
        return ref


@dataclass(frozen=True, slots=True, eq=False)
class _Letter:
    """A message, and where the answer goes if one is awaited."""

    message: Any
    reply: Future[Any] | None = None


class _Body(Actor):
    """What runs."""

    def __init__(self, name: str, function: Callable[[Any], Any], loop: UserLoop) -> None:
        self.name = name
        self._function = function
        self._loop = loop
        self._is_async = inspect.iscoroutinefunction(function)

    def receive(self, message: _Letter) -> None:
        reply = message.reply
        if reply is None:
            self._call(message.message)
            return
        if not reply.set_running_or_notify_cancel():
            return
        try:
            answer = self._call(message.message)
        except Exception as error:
            reply.set_exception(error)
        except BaseException as error:
            reply.set_exception(ActorStoppedError(f"actor {self.name!r} ended by {error!r}"))
            raise
        else:
            reply.set_result(answer)

    def _call(self, message: Any) -> Any:
        if not self._is_async:
            return self._function(message)
        return self._loop.submit(lambda: self._function(message)).result()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
