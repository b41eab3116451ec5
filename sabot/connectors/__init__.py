"""Sources that need no Kafka."""

from sabot.connectors.memory import MemorySource

__all__ = ["MemorySource"]
