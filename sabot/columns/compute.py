"""A name people use for a function that ``pyarrow.compute`` has under another one."""

from __future__ import annotations

import pyarrow.compute as pc

__all__ = ["complete_compute"]


def complete_compute() -> None:
    """Let ``pc.is_not_null`` be ``pc.is_valid``, where pyarrow has no such function.

    The opposite of ``pc.is_null`` is looked for under that name, and an expression has a
    method ``is_valid`` only. A function is called with the module as it finds it, so the
    name has to be there; one that pyarrow brings by itself is never replaced.

    Example:
        >>> import pyarrow as pa
        >>> complete_compute()
        >>> pc.is_not_null(pa.array([1, None])).to_pylist()
        [True, False]
    """
    if not hasattr(pc, "is_not_null"):
        pc.is_not_null = pc.is_valid
