"""Stream processing on Kafka: columnar pipelines and agents in supervised workers.

Names are imported when they are first used, so that ``import sabot`` costs next to
nothing and a command that needs no Kafka loads none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sabot.actors import ActorStatistics, Backoff, RestartLimit, Supervision
    from sabot.api.stream import OutputStream, Stream
    from sabot.app.app import App
    from sabot.app.run import run
    from sabot.errors import (
        ActorError,
        ActorStoppedError,
        AppLoadError,
        BrokerError,
        BrokerGoneError,
        BrokerUnavailableError,
        CodecError,
        ColumnNotFoundError,
        CommitError,
        ConfigurationError,
        DecodeError,
        DeliveryError,
        EncodeError,
        FunctionResultError,
        HandlerStuckError,
        InternalError,
        KeyMissingError,
        MailboxFullError,
        MissingDependencyError,
        OffsetOutOfRangeError,
        PartitionLostError,
        PlanError,
        ProcessingError,
        ProcessingTimeoutError,
        ProducerFencedError,
        RestartLimitError,
        SabotError,
        SchemaMismatchError,
        SchemaRegistryError,
        SchemaRegistryUnavailableError,
        StateError,
        StateMismatchError,
        StuckPartitionError,
        TopicNotFoundError,
        UnknownSchemaError,
    )
    from sabot.types import Record, TopicPartition

__version__ = "0.1.0"

__all__ = [
    "ActorError",
    "ActorStatistics",
    "ActorStoppedError",
    "App",
    "AppLoadError",
    "Backoff",
    "BrokerError",
    "BrokerGoneError",
    "BrokerUnavailableError",
    "CodecError",
    "ColumnNotFoundError",
    "CommitError",
    "ConfigurationError",
    "DecodeError",
    "DeliveryError",
    "EncodeError",
    "FunctionResultError",
    "HandlerStuckError",
    "InternalError",
    "KeyMissingError",
    "MailboxFullError",
    "MissingDependencyError",
    "OffsetOutOfRangeError",
    "OutputStream",
    "PartitionLostError",
    "PlanError",
    "ProcessingError",
    "ProcessingTimeoutError",
    "ProducerFencedError",
    "Record",
    "RestartLimit",
    "RestartLimitError",
    "SabotError",
    "SchemaMismatchError",
    "SchemaRegistryError",
    "SchemaRegistryUnavailableError",
    "StateError",
    "StateMismatchError",
    "Stream",
    "StuckPartitionError",
    "Supervision",
    "TopicNotFoundError",
    "TopicPartition",
    "UnknownSchemaError",
    "__version__",
    "run",
]

_HOMES = {
    "ActorStatistics": "sabot.actors",
    "App": "sabot.app.app",
    "Backoff": "sabot.actors",
    "OutputStream": "sabot.api.stream",
    "Record": "sabot.types",
    "RestartLimit": "sabot.actors",
    "Stream": "sabot.api.stream",
    "Supervision": "sabot.actors",
    "TopicPartition": "sabot.types",
    "run": "sabot.app.run",
}
"""Where a name lives; the rest of `__all__` are errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sabot' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "sabot.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
