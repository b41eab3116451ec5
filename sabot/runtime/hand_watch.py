"""Gives up on a step that holds its batch for longer than its supervision lets it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sabot.actors import ActorRef
from sabot.errors import HandlerStuckError
from sabot.runtime.lane import Lane

__all__ = ["HandWatch"]


class HandWatch:
    """Looks whether pipelines are past their ``timeout_seconds``.

    Nothing can interrupt a function on a thread, so the end of its time is the end of the
    process: what is not committed is read again. Agents look after their handlers
    themselves, which can be cancelled.

    Args:
        lanes: The actors there are at present.
        on_stuck: Called once for an actor that has had a batch for longer than its
            supervision's ``timeout_seconds``.
    """

    def __init__(
        self,
        lanes: Callable[[], Iterable[Lane]],
        on_stuck: Callable[[ActorRef, HandlerStuckError], None],
    ) -> None:
        self._lanes = lanes
        self._on_stuck = on_stuck
        self._given_up: set[Lane] = set()

    def look(self) -> None:
        """Look at each actor once."""
        for lane in self._lanes():
            timeout = lane.supervision.timeout_seconds
            if timeout is None or lane.actor.answers_itself or lane in self._given_up:
                continue
            seconds = lane.ref.statistics().in_hand_seconds
            if seconds is not None and seconds >= timeout:
                self._given_up.add(lane)
                self._on_stuck(lane.ref, _stuck(lane, seconds))


def _stuck(lane: Lane, seconds: float) -> HandlerStuckError:
    return HandlerStuckError(
        f"pipeline {lane.name!r} has had a batch in hand for {seconds:.1f} s and cannot be "
        f"interrupted; it is at\n{lane.ref.stack()}",
        step=lane.name,
    )
