"""The message that a codec's options name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sabot.codecs.protobuf.message_type import MessageType
from sabot.codecs.protobuf.packages import package
from sabot.codecs.protobuf.shapes import TimeUnit
from sabot.codecs.protobuf.sources import file_of_text, files_of_set, message_named, pool_of
from sabot.errors import CodecError, ConfigurationError

__all__ = ["given_message"]


def given_message(
    *,
    schema: object,
    message: object,
    message_class: object,
    descriptor_set: bytes | str | Path | None,
    unit: TimeUnit,
) -> MessageType | None:
    """Return the message, ``None`` where none is given.

    Raises:
        ConfigurationError: If it is given twice, or is none.
    """
    package("google.protobuf.message")
    package("ptars")
    given = {
        name: value
        for name, value in (
            ("schema", schema),
            ("message_class", message_class),
            ("descriptor_set", descriptor_set),
        )
        if value is not None
    }
    if len(given) > 1:
        raise ConfigurationError(f"codec 'protobuf' takes only one of {sorted(given)!r}")
    if message is not None and not isinstance(message, str):
        raise ConfigurationError(f"codec 'protobuf': message is {message!r}; give a name")
    try:
        if message_class is not None:
            return MessageType(_class_descriptor(message_class), unit)
        if descriptor_set is not None:
            files = files_of_set(descriptor_set)
            return MessageType(message_named(files, pool_of(files), message), unit)
        if schema is not None:
            return MessageType(_text_descriptor(schema, message), unit)
    except CodecError as error:
        raise ConfigurationError(f"codec 'protobuf': {error}") from error
    return None


def _class_descriptor(message_class: object) -> Any:
    descriptor = getattr(message_class, "DESCRIPTOR", None)
    if not isinstance(message_class, type) or not hasattr(descriptor, "fields_by_name"):
        raise ConfigurationError(
            f"codec 'protobuf': message_class is {message_class!r}; give a class that protoc made"
        )
    return descriptor


def _text_descriptor(schema: object, message: str | None) -> Any:
    if not isinstance(schema, str):
        raise ConfigurationError(
            f"codec 'protobuf': schema is {schema!r}; give .proto text, or use 'descriptor_set'"
        )
    file = file_of_text(schema, {})
    return message_named([file], file.pool, message)
