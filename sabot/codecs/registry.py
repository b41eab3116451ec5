"""Which codec a ``codec_type`` names.

A codec comes from this package, from `register_codec`, or from an installed distribution
that declares an entry point in the group ``sabot.codecs``, looked up in this order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from sabot.codecs.avro import AvroCodec
from sabot.codecs.codec import Codec
from sabot.codecs.json import JsonCodec
from sabot.codecs.json_schema import JsonSchemaCodec
from sabot.codecs.msgpack import MsgpackCodec
from sabot.codecs.octets import BytesCodec
from sabot.codecs.protobuf import ProtobufCodec
from sabot.codecs.text import StringCodec
from sabot.errors import ConfigurationError, nearest

__all__ = ["ENTRY_POINT_GROUP", "CodecFactory", "codec_names", "create_codec", "register_codec"]

CodecFactory = Callable[..., Codec]
"""Makes a codec; its keyword parameters are the ``codec_options`` it knows."""

ENTRY_POINT_GROUP = "sabot.codecs"

_factories: dict[str, CodecFactory] = {
    "avro": AvroCodec,
    "bytes": BytesCodec,
    "json": JsonCodec,
    "json_schema": JsonSchemaCodec,
    "msgpack": MsgpackCodec,
    "protobuf": ProtobufCodec,
    "string": StringCodec,
}


def register_codec(name: str, factory: CodecFactory) -> None:
    """Make ``codec_type=name`` create its codec by ``factory``.

    Every source and sink gets a codec of its own, since a codec may keep what it learns.

    Args:
        name: What users write as ``codec_type``.
        factory: Called with the ``codec_options`` as keyword arguments. Options it does
            not name are refused before it is called.

    Raises:
        ConfigurationError: If another factory has that name already.
    """
    if _factories.get(name, factory) is not factory:
        raise ConfigurationError(f"there is a codec {name!r} already; choose another name")
    _factories[name] = factory


def codec_names() -> tuple[str, ...]:
    """Return every name `create_codec` knows, sorted.

    Example:
        >>> "json" in codec_names()
        True
    """
    installed = (point.name for point in entry_points(group=ENTRY_POINT_GROUP))
    return tuple(sorted({*_factories, *installed}))


def create_codec(
    codec_type: str | Codec = "json",
    options: Mapping[str, Any] | None = None,
    *,
    topic: str | None = None,
    for_key: bool = False,
) -> Codec:
    """Create the codec a source or sink was told to use.

    Args:
        codec_type: A registered name, or a codec, which is returned as it is.
        options: The codec's own settings.
        topic: What the codec is for, told to codecs that name subjects after it (those
            with a true attribute ``knows_topic``) as the options ``topic`` and
            ``for_key``, unless ``options`` say otherwise.
        for_key: Whether the codec is for keys.

    Raises:
        ConfigurationError: If nothing has that name, if the codec has no such option, or
            if options are given for a codec that exists already.

    Example:
        >>> create_codec("json").name
        'json'
        >>> create_codec("jsn")
        Traceback (most recent call last):
        ...
        sabot.errors.ConfigurationError: there is no codec 'jsn', only ...; did you mean 'json'?
    """
    options = dict(options or {})
    if not isinstance(codec_type, str):
        return _ready(codec_type, options)
    factory = _factories.get(codec_type) or _installed(codec_type)
    if topic is not None and getattr(factory, "knows_topic", False):
        options = {"topic": topic, "for_key": for_key} | options
    _check_options(codec_type, factory, options)
    return factory(**options)


def _ready(codec: object, options: Mapping[str, Any]) -> Codec:
    if not isinstance(codec, Codec):
        raise ConfigurationError(
            f"codec_type is {codec!r}; give the name of a codec or an object with its methods"
        )
    if options:
        raise ConfigurationError(
            f"codec_options {sorted(options)!r} cannot be applied to a codec that exists "
            f"already; set them where codec {codec.name!r} is made"
        )
    return codec


def _installed(name: str) -> CodecFactory:
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        factory: CodecFactory = point.load()
        return factory
    names = codec_names()
    listed = ", ".join(map(repr, names))
    raise ConfigurationError(f"there is no codec {name!r}, only {listed}{nearest(name, names)}")


def _check_options(name: str, factory: CodecFactory, options: Mapping[str, Any]) -> None:
    parameters = inspect.signature(factory).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    allowed = [
        parameter.name
        for parameter in parameters
        if parameter.kind in {parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD}
    ]
    for option in options:
        if option not in allowed:
            listed = ", ".join(map(repr, allowed)) or "none"
            raise ConfigurationError(
                f"codec {name!r} has no option {option!r}; its options are "
                f"{listed}{nearest(str(option), allowed)}"
            )
