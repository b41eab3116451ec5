"""State that survives: stores, the shards of processing, the directory they live in.

The directory (`sabot.state.directory`) needs file locks and is imported where it is used.
"""

from __future__ import annotations

from sabot.state.memory import MemoryStore
from sabot.state.shard import Delta, Shard
from sabot.state.store import Store

__all__ = ["Delta", "MemoryStore", "Shard", "Store"]
