"""Subjects: the names that schemas are registered by."""

from __future__ import annotations

from typing import Literal, get_args

from sabot.errors import ConfigurationError

__all__ = ["STRATEGIES", "SubjectNameStrategy", "subject_name"]

SubjectNameStrategy = Literal["topic", "record", "topic_record"]
"""What a subject is made of; Confluent's strategies of these names."""

STRATEGIES: tuple[str, ...] = get_args(SubjectNameStrategy)


def subject_name(
    strategy: SubjectNameStrategy,
    *,
    topic: str | None = None,
    record: str | None = None,
    for_key: bool = False,
) -> str:
    """Return the subject for a topic and the full name of its record.

    Args:
        strategy: ``"topic"`` appends ``-value`` or ``-key`` to the topic; ``"record"`` is
            the record's name, whatever the topic; ``"topic_record"`` is both.
        topic: The topic.
        record: The record's name, with its namespace.
        for_key: Whether it is the schema of keys; only ``"topic"`` tells the two apart.

    Raises:
        ConfigurationError: If the strategy needs a name that is not known.

    Example:
        >>> subject_name("topic", topic="orders")
        'orders-value'
        >>> subject_name("topic_record", topic="orders", record="shop.Order")
        'orders-shop.Order'
    """
    if topic is None and strategy != "record":
        raise ConfigurationError(
            f"the subject name strategy {strategy!r} needs the topic; set 'subject', or use "
            "the strategy 'record'"
        )
    if record is None and strategy != "topic":
        raise ConfigurationError(
            f"the subject name strategy {strategy!r} needs a schema with a name; set 'subject', "
            "or use the strategy 'topic'"
        )
    if strategy == "topic":
        return f"{topic}-{'key' if for_key else 'value'}"
    return str(record) if strategy == "record" else f"{topic}-{record}"
