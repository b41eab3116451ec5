"""Notices a step that holds its batch for too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from sabot.errors import HandlerStuckError
from sabot.logs import get_logger
from sabot.runtime.lane import Lane

__all__ = ["HandWatch"]

_SLOW_SECONDS: Final = 30.0


class HandWatch:
    """Names pipelines that have one batch for long, and gives up on those past their time.

    Nothing can interrupt a function on a thread, so the end of its time is the end of the
    process: what is not committed is read again. Agents look after their handlers
    themselves, which can be cancelled.

    Args:
        lanes: The actors there are at present.
        on_stuck: Called once for an actor that has had a batch for longer than its
            supervision's ``timeout_seconds``.
        slow: Seconds after which, and again after as many, an actor is named.
    """

    def __init__(
        self,
        lanes: Callable[[], Iterable[Lane]],
        on_stuck: Callable[[Lane, HandlerStuckError], None],
        *,
        slow: float = _SLOW_SECONDS,
    ) -> None:
        self._lanes = lanes
        self._on_stuck = on_stuck
        self._slow = slow
        self._warn_at: dict[Lane, float] = {}
        self._given_up: set[Lane] = set()
        self._log = get_logger("sabot.pipeline")

    def look(self) -> None:
        """Look at each actor once."""
        for lane in list(self._lanes()):
            seconds = None if lane.actor.answers_itself else lane.ref.statistics().in_hand_seconds
            if seconds is None:
                self._warn_at.pop(lane, None)
                continue
            self._judge(lane, seconds)

    def _judge(self, lane: Lane, seconds: float) -> None:
        warn_at = self._warn_at.get(lane, self._slow)
        if seconds < warn_at - self._slow:
            warn_at = self._warn_at[lane] = self._slow  # another batch by now
        timeout = lane.supervision.timeout_seconds
        if timeout is not None and seconds >= timeout:
            if lane not in self._given_up:
                self._given_up.add(lane)
                self._on_stuck(lane, _stuck(lane, seconds))
            return
        if seconds >= warn_at:
            self._warn_at[lane] = seconds + self._slow
            self._log.warning(
                "step is slow; its batch is not committed",
                pipeline=lane.name,
                seconds=round(seconds, 1),
                stack=lane.ref.stack(),
            )


def _stuck(lane: Lane, seconds: float) -> HandlerStuckError:
    return HandlerStuckError(
        f"pipeline {lane.name!r} has had a batch in hand for {seconds:.1f} s and cannot be "
        f"interrupted; it is at\n{lane.ref.stack()}",
        step=lane.name,
    )
