"""Every error Sabot raises on purpose, typed by what the caller does next.

Messages are lower case without a full stop, show values by ``repr`` and say what was
given, where (``topic[partition]@offset``, step name), what is allowed and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, ClassVar

DISTRIBUTION = "sabot-streams"
"""The name to install by; the import name is ``sabot``."""

__all__ = [
    "DISTRIBUTION",
    "ActorError",
    "ActorStoppedError",
    "AppLoadError",
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
    "PartitionLostError",
    "PlanError",
    "ProcessingError",
    "ProcessingTimeoutError",
    "ProducerFencedError",
    "RestartLimitError",
    "SabotError",
    "SchemaMismatchError",
    "SchemaRegistryError",
    "SchemaRegistryUnavailableError",
    "StateError",
    "StateMismatchError",
    "StuckPartitionError",
    "TopicNotFoundError",
    "UnknownSchemaError",
    "nearest",
]


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest allowed name, else ``""``.

    Example:
        >>> nearest("amonut", ["id", "amount"])
        "; did you mean 'amount'?"
        >>> nearest("zzz", ["id", "amount"])
        ''
    """
    close = get_close_matches(given, list(allowed), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _rebuild(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class InternalError(Exception):
    """A bug in Sabot itself; outside `SabotError` so that nobody catches it by habit."""


class SabotError(Exception):
    """Root of all errors a user, an operator or a supervisor may act on.

    Attributes:
        retriable: Whether the same call may succeed later without a change.
    """

    retriable: ClassVar[bool] = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses take keyword-only arguments, so pickle cannot call __init__ again.
        return (_rebuild, (type(self), self.args, self.__dict__))


class ConfigurationError(SabotError, ValueError):
    """A setting, option or argument is not usable; raised before anything runs."""


class AppLoadError(ConfigurationError, ImportError):
    """The module or file that should define the app cannot be loaded."""


class MissingDependencyError(ConfigurationError, ImportError):
    """An optional package is needed now and not installed.

    Args:
        package: The import name that is missing.
        needed_by: What the user asked for.
        extra: The extra of this distribution that brings it.
    """

    def __init__(self, *, package: str, needed_by: str, extra: str) -> None:
        super().__init__(
            f"{needed_by} needs {package!r}; run: pip install '{DISTRIBUTION}[{extra}]'"
        )
        self.package = package
        self.extra = extra


class PlanError(SabotError):
    """A plan cannot be built or compiled as written."""


class ColumnNotFoundError(PlanError, LookupError):
    """A step names a column that its input does not have.

    Args:
        column: The name that was asked for.
        columns: The names there are.
        step: The step's name, where known.
    """

    def __init__(self, *, column: object, columns: Iterable[str], step: str | None = None) -> None:
        names = list(columns)
        who = f"step {step!r} uses" if step else "there is no"
        listed = ", ".join(repr(name) for name in names) or "no columns"
        if step:
            text = f"{who} column {column!r}, but its input has only {listed}"
        else:
            text = f"{who} column {column!r}; there are only {listed}"
        super().__init__(text + (nearest(column, names) if isinstance(column, str) else ""))
        self.column = column
        self.columns = names
        self.step = step


class SchemaMismatchError(PlanError, TypeError):
    """Rows or columns do not have the types they were declared with."""


class CodecError(SabotError):
    """Bytes cannot become columns, or columns cannot become bytes."""


class DecodeError(CodecError):
    """One record's bytes are not what the codec was told to expect."""


class EncodeError(CodecError):
    """One row cannot be written in the sink's format."""


class SchemaRegistryError(CodecError):
    """The schema registry refused something; the same request would be refused again.

    Attributes:
        fatal: Whether no restart can help.
    """

    fatal: ClassVar[bool] = True


class SchemaRegistryUnavailableError(SchemaRegistryError, ConnectionError):
    """The schema registry did not answer; no record is to blame."""

    retriable: ClassVar[bool] = True
    fatal: ClassVar[bool] = False


class UnknownSchemaError(SchemaRegistryError, DecodeError, LookupError):
    """A record names a schema the registry does not have; that record alone is bad."""

    fatal: ClassVar[bool] = False


class ProcessingError(SabotError):
    """A step's user code raised; ``__cause__`` is the user's exception.

    Attributes:
        step: The step's name.
        where: ``topic[partition]@offset`` of the record, where one stands alone.
        key: The record's key, where one stands alone.
        fatal: Whether no restart can help: a policy says to stop at this record.
    """

    fatal: bool = False

    def __init__(
        self, message: str, *, step: str, where: str | None = None, key: bytes | None = None
    ) -> None:
        super().__init__(message)
        self.step = step
        self.where = where
        self.key = key


class ProcessingTimeoutError(ProcessingError, TimeoutError):
    """A step has had the same work in hand for longer than it may."""

    fatal: bool = True


class FunctionResultError(ProcessingError, TypeError):
    """A step's function returned something the step cannot use.

    It is a mistake in the program, never the fault of a row: no error policy skips it.
    """


class KeyMissingError(ProcessingError):
    """A row has no key, or not the record's, where state is kept by key; the row is bad."""


class HandlerStuckError(ProcessingError):
    """User code holds a record past its time and cannot be interrupted.

    Only the end of the process gets rid of it, whatever strategy was chosen.
    """


class BrokerError(SabotError):
    """Kafka refused something, or could not be asked."""


class BrokerUnavailableError(BrokerError, ConnectionError):
    """No broker answered within the stated time."""

    retriable: ClassVar[bool] = True


class BrokerGoneError(BrokerUnavailableError):
    """A broker that had answered did not answer for longer than the worker waits."""

    retriable: ClassVar[bool] = False


class StuckPartitionError(BrokerError):
    """A partition has records to read and does not move, whatever was tried."""


class TopicNotFoundError(BrokerError, LookupError):
    """A topic does not exist and the broker does not create it on first use."""


class OffsetOutOfRangeError(BrokerError):
    """A committed position no longer exists in the log, or does not exist yet."""


class PartitionLostError(BrokerError):
    """A partition belongs to another member of the group by now."""


class CommitError(BrokerError):
    """Offsets could not be committed."""

    retriable: ClassVar[bool] = True


class ProducerFencedError(BrokerError):
    """A newer producer has taken over this one's transactional id."""


class DeliveryError(BrokerError):
    """A record was not accepted by the sink's cluster."""


class StateError(SabotError):
    """State cannot be kept or read: a disk, a folder, a lock.

    Attributes:
        fatal: Whether no restart can help.
    """

    fatal: ClassVar[bool] = True


class StateMismatchError(StateError):
    """State and offsets do not belong together; which of them holds is the operator's word."""


class ActorError(SabotError):
    """Something an actor was asked to do cannot be done."""


class ActorStoppedError(ActorError):
    """The actor has stopped; messages are no longer taken."""


class MailboxFullError(ActorError):
    """The mailbox is at its bound and the sender does not wait."""

    retriable: ClassVar[bool] = True


class RestartLimitError(ActorError):
    """An actor failed more often than its limit allows; ``__cause__`` is the first cause."""
