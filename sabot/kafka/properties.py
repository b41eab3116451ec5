"""From the options people write to the properties librdkafka takes.

An option is looked up in a table first (`sabot.kafka.option_names`); any other is taken
for a librdkafka property with ``_`` for ``.``. Whether a property exists and whether its
value is valid is for the installed librdkafka to say: it is asked at once, without a
client being made and without I/O, so a mistake shows where the option was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sabot.errors import ConfigurationError, nearest
from sabot.kafka.option_names import (
    CONSUMER_NAMES,
    CONSUMER_OWNED,
    CONVERSIONS,
    PRODUCER_NAMES,
    PRODUCER_OWNED,
    PYTHON_ONLY,
    REFUSED_NAMES,
)
from sabot.kafka.property_names import BOTH, CONSUMER_ONLY, PRODUCER_ONLY

__all__ = [
    "Side",
    "check_properties",
    "connection_properties",
    "consumer_properties",
    "producer_properties",
    "property_name",
    "shared_properties",
]

Side = Literal["consumer", "producer"]

_PROBE = "sabot.probe"
_NAMES: Mapping[Side, Mapping[str, str]] = {"consumer": CONSUMER_NAMES, "producer": PRODUCER_NAMES}
_OWNED: Mapping[Side, Mapping[str, str]] = {"consumer": CONSUMER_OWNED, "producer": PRODUCER_OWNED}
_FOREIGN: Mapping[Side, frozenset[str]] = {"consumer": PRODUCER_ONLY, "producer": CONSUMER_ONLY}
_FOREIGN_TEXT: Mapping[Side, str] = {
    "consumer": "a property of producers; give it where the stream is written (to_kafka)",
    "producer": "a property of consumers; give it where the stream is read (from_kafka)",
}
_UNDERSCORED = {
    name.replace(".", "_"): name for name in sorted(BOTH | CONSUMER_ONLY | PRODUCER_ONLY)
}
_SECRET = ("password", "secret", "passphrase", ".pem", "ssl_key", "sasl.oauthbearer.config")


def consumer_properties(
    options: Mapping[str, Any],
    dotted: Mapping[str, Any] | None = None,
    *,
    also_allowed: Iterable[str] = (),
) -> dict[str, Any]:
    """Translate the options of a source into consumer properties, each of them checked.

    Args:
        options: As written: names of the guide, of other Python clients, or properties
            with ``_`` for ``.``. A value of ``None`` means the default and is dropped.
        dotted: ``consumer_config``: property names as librdkafka spells them.
        also_allowed: Further names the caller takes itself, for suggestions only.

    Raises:
        ConfigurationError: If a name is unknown, belongs to producers, or is one that
            Sabot sets itself; if a value is not valid; or if the same property is given
            twice with different values.

    Example:
        >>> consumer_properties({"fetch_max_wait_ms": 50, "client_id": "me"})
        {'fetch.wait.max.ms': 50, 'client.id': 'me'}
    """
    return _translate("consumer", options, dotted, also_allowed)


def producer_properties(
    options: Mapping[str, Any],
    dotted: Mapping[str, Any] | None = None,
    *,
    also_allowed: Iterable[str] = (),
) -> dict[str, Any]:
    """Translate the options of a sink into producer properties, each of them checked.

    ``acks=0`` is refused: its delivery reports say nothing about the broker, so offsets
    would be committed for records that may never have arrived.

    Raises:
        ConfigurationError: As `consumer_properties`, with the sides exchanged.

    Example:
        >>> producer_properties({"linger_ms": 5, "buffer_memory": 33554432})
        {'linger.ms': 5, 'queue.buffering.max.kbytes': 32768}
    """
    translated = _translate("producer", options, dotted, also_allowed)
    for name in ("acks", "request.required.acks"):
        if str(translated.get(name, "")).strip() == "0":
            raise ConfigurationError(
                f"producer option {name!r} is 0, so nobody learns whether a record arrived; "
                "allowed: 'all' or 1"
            )
    return translated


def property_name(side: Side, option: str) -> str:
    """Return the property that an option name stands for, known or not.

    Example:
        >>> property_name("consumer", "ssl_cafile"), property_name("consumer", "ssl_ca")
        ('ssl.ca.location', 'ssl_ca')
        >>> property_name("producer", "batch_size")
        'batch.size'
    """
    if option in PYTHON_ONLY or option in _OWNED[side] or "." in option:
        return option
    known = _NAMES[side].get(option) or _UNDERSCORED.get(option)
    return known or option.replace("_", ".")


def check_properties(side: Side, properties: Mapping[str, Any]) -> None:
    """Refuse properties that are unknown, invalid, of the other side, or Sabot's own.

    Raises:
        ConfigurationError: For the first such property.
    """
    for name, value in properties.items():
        if not isinstance(name, str):
            raise ConfigurationError(f"{side} option {name!r} is no name; names are str")
        _check(side, name, name, value, ())


def connection_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return those properties that say how to reach a cluster, whoever the client is.

    Example:
        >>> connection_properties({"sasl.username": "a", "fetch.min.bytes": 1})
        {'sasl.username': 'a'}
    """
    unshared = {"allow.auto.create.topics", "error_cb", "stats_cb", "statistics.interval.ms"}
    shared = (BOTH | PYTHON_ONLY) - unshared
    return {name: value for name, value in properties.items() if name in shared}


def shared_properties(options: Mapping[str, Any]) -> dict[str, Any]:
    """Translate options that say how to reach a cluster, whoever the client is.

    Args:
        options: As for `consumer_properties`; the cluster's address is not one of them.

    Raises:
        ConfigurationError: As `consumer_properties`; and for a property that belongs to
            consumers or to producers.

    Example:
        >>> shared_properties({"sasl_username": "a", "socket.timeout.ms": "5000"})
        {'sasl.username': 'a', 'socket.timeout.ms': '5000'}
    """
    translated = consumer_properties(options)
    for option in options:
        name = property_name("consumer", option)
        if name not in BOTH - {"bootstrap.servers", "metadata.broker.list"}:
            raise ConfigurationError(
                f"client property {option!r} is not one that says how to reach a cluster, such "
                "as 'security.protocol' or 'sasl.username'"
            )
    return translated


def _translate(
    side: Side,
    options: Mapping[str, Any],
    dotted: Mapping[str, Any] | None,
    also_allowed: Iterable[str],
) -> dict[str, Any]:
    translated: dict[str, Any] = {}
    for option, given in options.items():
        if option in REFUSED_NAMES:
            raise ConfigurationError(
                f"{side} option {option!r} is not used here: {REFUSED_NAMES[option]}"
            )
        name = property_name(side, option)
        if given is None:
            _check_name(side, option, name, also_allowed)
            continue
        value = _convert(side, option, given)
        _check(side, option, name, value, also_allowed)
        if translated.get(name, value) != value:
            raise ConfigurationError(
                f"{side} property {name!r} is given twice, by {option!r} and by another name"
            )
        translated[name] = value
    check_properties(side, dotted or {})
    for name, value in (dotted or {}).items():
        if translated.get(name, value) != value:
            raise ConfigurationError(
                f"{side} property {name!r} is given twice: {_shown(name, translated[name])} as "
                f"an option and {_shown(name, value)} in {side}_config"
            )
        translated[name] = value
    return translated


def _convert(side: Side, option: str, value: Any) -> Any:
    if option in CONVERSIONS and option in _NAMES[side]:
        try:
            return CONVERSIONS[option](value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{side} option {option!r} is {value!r}, which is not usable: {error}"
            ) from error
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return value


def _check_name(side: Side, option: str, name: str, also_allowed: Iterable[str]) -> None:
    if name in _OWNED[side]:
        raise ConfigurationError(
            f"{side} option {option!r} is set by Sabot itself: {_OWNED[side][name]}"
        )
    if name in _FOREIGN[side]:
        raise ConfigurationError(f"{side} option {option!r} is {_FOREIGN_TEXT[side]}")
    if name not in PYTHON_ONLY and _unknown(_complaint(side, name, "")):
        if "." in option:
            allowed: list[str] = sorted((BOTH | CONSUMER_ONLY | PRODUCER_ONLY) - _FOREIGN[side])
        else:
            ours = {short for short, long in _UNDERSCORED.items() if long not in _FOREIGN[side]}
            allowed = sorted(ours | set(_NAMES[side]) | set(also_allowed))
        raise ConfigurationError(f"unknown {side} option {option!r}{nearest(option, allowed)}")


def _check(side: Side, option: str, name: str, value: Any, also_allowed: Iterable[str]) -> None:
    complaint = None
    if name in _OWNED[side] or name in _FOREIGN[side]:
        _check_name(side, option, name, also_allowed)
    elif name in PYTHON_ONLY:
        if name.endswith("_cb") and not callable(value):
            complaint = "it must be callable"
    else:
        complaint = _complaint(side, name, value)
        if _unknown(complaint):
            _check_name(side, option, name, also_allowed)
    if complaint:
        raise ConfigurationError(
            f"{side} option {option!r} is {_shown(name, value)}, which is not usable: {complaint}"
        )


def _complaint(side: Side, name: str, value: Any) -> str | None:
    """Ask librdkafka what is wrong with a property, without making a client.

    Properties are taken in the order given, and the first bad one ends the attempt. One
    that cannot exist stands last: if that is what librdkafka complains about, all others
    were good.
    """
    from confluent_kafka import Consumer, KafkaException, Producer

    try:
        if side == "consumer":
            Consumer({"group.id": "sabot", name: value, _PROBE: ""})
        else:
            Producer({name: value, _PROBE: ""})
    except KafkaException as error:
        text = str(error.args[0].str())
    except (TypeError, ValueError) as error:
        text = str(error)
    else:  # pragma: no cover - librdkafka knows no property of that name
        return None
    return None if f'"{_PROBE}"' in text else text.strip()


def _unknown(complaint: str | None) -> bool:
    return complaint is not None and complaint.startswith("No such configuration property")


def _shown(name: str, value: Any) -> str:
    return "'***'" if any(word in name for word in _SECRET) else repr(value)
