"""Feeds bounded sources to their actors, and says when all of it has been taken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sabot.errors import ActorStoppedError
from sabot.runtime.compile import PipelinePlan, topic_of
from sabot.runtime.lane import Lane
from sabot.runtime.messages import Work

__all__ = ["Feeder"]


class Feeder:
    """Reads bounded sources on a thread of its own, waiting where mailboxes are full.

    Args:
        lanes: Each actor with the plan whose sources it gets.
        on_end: Called when everything has been handed over, or with the error.
    """

    def __init__(
        self,
        lanes: Sequence[tuple[Lane, PipelinePlan]],
        on_end: Callable[[BaseException | None], None],
    ) -> None:
        self._lanes = lanes
        self._on_end = on_end
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sabot-feeder", daemon=True)

    def start(self) -> None:
        """Begin to feed."""
        self._thread.start()

    def stop(self) -> None:
        """Stop between two batches."""
        self._stopping.set()

    def _run(self) -> None:
        try:
            for lane, plan in self._lanes:
                for scan in plan.scans:
                    for raw in scan.source.read():  # type: ignore[attr-defined]
                        if self._stopping.is_set():
                            return
                        lane.ref.tell(Work(raw, topic_of(scan)), records=len(raw), size=raw.size)
        except ActorStoppedError:
            return
        except BaseException as error:
            self._on_end(error)
        else:
            self._on_end(None)
