"""The place of a worker among others: its slot, and the state directory they share."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sabot.errors import StateError
from sabot.kafka.guarantee import ProcessingGuarantee
from sabot.logs import get_logger
from sabot.runtime.settings import WorkerSettings

if TYPE_CHECKING:
    from sabot.state.directory import Slot, StateDirectory

__all__ = ["Place", "take_place"]


@dataclass(frozen=True, slots=True)
class Place:
    """What one worker has for itself until it ends.

    Attributes:
        slot: What its transactional ids end with.
        directory: Where its steps keep state on disk; ``None`` for memory.
    """

    slot: str
    directory: StateDirectory | None = None
    _number: Slot | None = None

    def release(self) -> None:
        """Let the next worker have it."""
        if self._number is not None:
            self._number.release()


def take_place(
    app: str, settings: WorkerSettings, *, stateful: bool, guarantee: ProcessingGuarantee
) -> Place:
    """Take a place in the state directory, for state on disk and for transactions.

    Args:
        app: The app's id.
        settings: May name a slot, which then needs no number of the directory's.
        stateful: Whether any step keeps state.
        guarantee: What is promised of outputs.

    Raises:
        StateError: If state on disk has no room there. Transactions alone get by with a
            slot of their own at each start.
    """
    named = settings.slot
    chosen = named or uuid.uuid4().hex[:12]
    on_disk = settings.state.store == "rocksdb" and stateful
    transactions = guarantee == "exactly_once" or stateful
    if not on_disk and (named is not None or not transactions):
        return Place(chosen)
    from sabot.state.directory import StateDirectory

    try:
        directory = StateDirectory(Path(settings.state.directory), app)
        number = directory.take_slot()
    except StateError as error:
        if on_disk:
            raise
        get_logger("sabot.worker").bind(app=app).warning(
            "transactions have a name of their own at each start", why=str(error)
        )
        return Place(chosen)
    if named is None:
        # Other machines count from 0, too.
        chosen = f"{directory.name}-{number.number}"
    return Place(chosen, directory if on_disk else None, number)
