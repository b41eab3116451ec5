"""The headers that say of a dead-lettered record where it came from and why it is there.

Key and value are sent on as they were, byte for byte; what is known of them goes into
headers, so that a record can be put right and sent again.
"""

from __future__ import annotations

from sabot.types import SourceRecord

__all__ = ["DEAD_LETTER_PREFIX", "dead_letter_headers"]

DEAD_LETTER_PREFIX = "sabot-"
"""All headers Sabot adds start so."""

_MAX_MESSAGE = 2000


def dead_letter_headers(
    record: SourceRecord,
    *,
    error: BaseException,
    step: str,
    attempt: int,
    application: str,
) -> list[tuple[str, bytes | None]]:
    """Return the record's own headers, untouched and first, then those about its failure.

    The added ones are ``sabot-source-topic``, ``-source-partition``, ``-source-offset``,
    ``-source-timestamp`` (milliseconds; absent where the record has none),
    ``-error-class`` and ``-error-message`` (of the user's exception where there is one),
    ``-step``, ``-attempt`` and ``-application``; numbers are decimal text. A record that
    was dead-lettered before keeps the older ones, too: the last of a name counts.

    Args:
        record: The record as it was read.
        error: Why it is here.
        step: The name of the step that could not take it.
        attempt: How often it was tried.
        application: Who tried: the app's id, or the group id.
    """
    cause = error.__cause__ or error
    kind, milliseconds = record.timestamp()
    added: dict[str, str] = {
        "source-topic": record.topic(),
        "source-partition": str(record.partition()),
        "source-offset": str(record.offset()),
    }
    if kind:
        added["source-timestamp"] = str(milliseconds)
    added |= {
        "error-class": f"{type(cause).__module__}.{type(cause).__qualname__}",
        "error-message": str(error)[:_MAX_MESSAGE],
        "step": step,
        "attempt": str(attempt),
        "application": application,
    }
    headers = list(record.headers() or ())
    headers.extend(
        (DEAD_LETTER_PREFIX + name, text.encode("utf-8", "replace")) for name, text in added.items()
    )
    return headers
