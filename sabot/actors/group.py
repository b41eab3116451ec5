"""Which siblings begin anew together with an actor that failed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

__all__ = ["Group"]


class Group(Enum):
    """What the failure of one actor means for those beside it."""

    ONE_FOR_ONE = "one_for_one"
    """Nothing: they share nothing that could have been spoiled."""
    ONE_FOR_ALL = "one_for_all"
    """All begin anew."""
    REST_FOR_ONE = "rest_for_one"
    """Those that were started after it begin anew, since they may build on it."""

    def others(self, names: Sequence[str], failed: str) -> tuple[str, ...]:
        """Return who else is concerned.

        Args:
            names: The siblings in the order they were started, the failed one included.
            failed: The one that failed.

        Example:
            >>> Group.REST_FOR_ONE.others(["a", "b", "c"], "b")
            ('c',)
            >>> Group("one_for_all").others(["a", "b", "c"], "b")
            ('a', 'c')
        """
        if self is Group.ONE_FOR_ONE:
            return ()
        if self is Group.ONE_FOR_ALL:
            return tuple(name for name in names if name != failed)
        return tuple(names[names.index(failed) + 1 :]) if failed in names else ()
