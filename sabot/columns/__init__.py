"""A user function's view of a batch, and what is made of its result."""

from __future__ import annotations

from sabot.columns.batch import BatchView
from sabot.columns.column import Column
from sabot.columns.function import UserFunction

__all__ = ["BatchView", "Column", "UserFunction"]
