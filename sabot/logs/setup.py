"""Sets up logging for a process that Sabot owns, and hands out loggers."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast, get_args

from sabot.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.stdlib import BoundLogger
    from structlog.typing import Processor

__all__ = ["LogFormat", "configure_logs", "get_logger"]

LogFormat = Literal["auto", "console", "json"]

_LEVELS = ("debug", "info", "warning", "error", "critical")
_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class _Handler(logging.StreamHandler[TextIO]):
    """The handler that `configure_logs` installs, so that it can find it again."""


class _Tag(logging.Filter):
    """Puts the worker's number on every record that passes."""

    def __init__(self, worker: int) -> None:
        super().__init__()
        self._worker = worker

    def filter(self, record: logging.LogRecord) -> bool:
        record.worker = self._worker
        return True


def configure_logs(
    format: LogFormat = "auto",  # noqa: A002 - the option's name everywhere else
    level: str | int = "info",
    *,
    worker: int | None = None,
) -> None:
    """Send all logs of this process to standard error, readable or as JSON lines.

    Covers the standard library's loggers and structlog's own, whoever uses them. Handlers
    others have put on the root logger stay. Calling it again replaces the settings.

    It is for processes Sabot owns: importing Sabot, or running it inside a host, sets up
    nothing, and its records reach the host's handlers through ``logging``.

    Args:
        format: ``console`` for people, ``json`` for machines, ``auto`` for ``console``
            where standard error is a terminal and ``json`` elsewhere.
        level: The least level that is shown, by name or number.
        worker: The number of this process among several, put on every record.

    Raises:
        ConfigurationError: If the format or the level is not known.
    """
    import structlog

    number = _level_number(level)
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(_resolve(format, sys.stderr), colors=_wants_colors(sys.stderr)),
            ],
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                _add_extras,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        )
    )
    if worker is not None:
        handler.addFilter(_Tag(worker))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number)
    structlog.configure(
        processors=_front(),
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A cached logger would keep the settings of the first call.
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> BoundLogger:
    """Return a structlog logger that writes through ``logging``.

    It works whether or not `configure_logs` has been called, in any order: its records
    are standard log records with the fields as extras. A field named like an attribute of
    log records (``name``, ``args``) gets an underscore appended.
    """
    import structlog

    return cast(
        "BoundLogger",
        structlog.wrap_logger(
            logging.getLogger(name),
            processors=_front(),
            wrapper_class=structlog.stdlib.BoundLogger,
        ),
    )


def _front() -> list[Processor]:
    import structlog

    return [
        structlog.stdlib.filter_by_level,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.PositionalArgumentsFormatter(),
        _to_record,
    ]


def _to_record(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Make the arguments of a standard log call of a structlog event."""
    call: dict[str, Any] = {"msg": str(event.pop("event", ""))}
    for name in ("exc_info", "stack_info", "stacklevel"):
        if name in event:
            call[name] = event.pop(name)
    call["extra"] = {f"{k}_" if k in _RESERVED else k: v for k, v in event.items()}
    return call


def _add_extras(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    # Other handlers' formatters leave `message` and `asctime` on the record: no extras.
    fields = vars(event["_record"])
    event.update({name: value for name, value in fields.items() if name not in _RESERVED})
    return event


def _renderers(style: Literal["console", "json"], *, colors: bool) -> list[Processor]:
    import structlog

    if style == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # Plain tracebacks: the rich ones print local variables, so records and passwords.
    return [
        structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    ]


def _resolve(style: str, stream: TextIO) -> Literal["console", "json"]:
    if style == "console" or (style == "auto" and stream.isatty()):
        return "console"
    if style in ("json", "auto"):
        return "json"
    allowed = get_args(LogFormat)
    listed = ", ".join(repr(name) for name in allowed)
    raise ConfigurationError(
        f"log format is one of {listed}, not {style!r}{nearest(style, allowed)}"
    )


def _wants_colors(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")


def _level_number(level: str | int) -> int:
    if isinstance(level, int):
        return level
    if level.lower() not in _LEVELS:
        listed = ", ".join(repr(name) for name in _LEVELS)
        raise ConfigurationError(
            f"log level is one of {listed}, not {level!r}{nearest(level.lower(), _LEVELS)}"
        )
    return logging.getLevelNamesMapping()[level.upper()]
