"""The ``codec_options`` that every codec with a schema registry takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from sabot.codecs.schema_registry.subjects import STRATEGIES, SubjectNameStrategy
from sabot.errors import ConfigurationError, nearest

__all__ = ["RegistryOptions", "RegistrySettings", "registry_settings"]

_URL = "schema_registry_url"


class RegistryOptions(TypedDict, total=False):
    """The options by name and type; `RegistrySettings` says what each is for."""

    schema_registry_url: str | Sequence[str] | None
    subject: str | None
    topic: str | None
    for_key: bool
    subject_name_strategy: SubjectNameStrategy
    auto_register: bool
    use_latest_version: bool
    schema_registry_basic_auth: str | None
    schema_registry_timeout_seconds: float
    schema_registry_retries: int
    schema_registry_ssl_ca: str | None
    schema_registry_ssl_cert: str | None
    schema_registry_ssl_key: str | None
    schema_registry_config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Where the registry is, how to talk to it, and which subject is meant.

    Attributes:
        schema_registry_url: Its address; several are tried in turn.
        subject: Where schemas are registered and looked up; named by
            ``subject_name_strategy`` where it is not given.
        topic: The topic the codec is for.
        for_key: Whether the codec is for keys.
        subject_name_strategy: ``"topic"``, ``"record"`` or ``"topic_record"``.
        auto_register: Whether a schema that the subject does not have is registered
            before the first record of it is written. Without, that is an error.
        use_latest_version: Whether records are written by the subject's newest schema,
            whatever schema the codec was given.
        schema_registry_basic_auth: ``"user:password"``.
        schema_registry_timeout_seconds: How long one request may take.
        schema_registry_retries: How often a request is repeated before the registry
            counts as down.
        schema_registry_ssl_ca: File or folder of certificates to trust.
        schema_registry_ssl_cert: File with the client's own certificate.
        schema_registry_ssl_key: File with its key.
        schema_registry_config: Further properties of
            `confluent_kafka.schema_registry.SchemaRegistryClient`, passed as they are;
            they win over all above.
    """

    schema_registry_url: str
    subject: str | None = None
    topic: str | None = None
    for_key: bool = False
    subject_name_strategy: SubjectNameStrategy = "topic"
    auto_register: bool = True
    use_latest_version: bool = False
    schema_registry_basic_auth: str | None = field(default=None, repr=False)
    schema_registry_timeout_seconds: float = 10.0
    schema_registry_retries: int = 2
    schema_registry_ssl_ca: str | None = None
    schema_registry_ssl_cert: str | None = None
    schema_registry_ssl_key: str | None = None
    schema_registry_config: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def client_config(self) -> dict[str, Any]:
        """Return the settings as the client names them."""
        config: dict[str, Any] = {
            "url": self.schema_registry_url,
            "timeout": self.schema_registry_timeout_seconds,
            "max.retries": self.schema_registry_retries,
            # Beyond these the caller's own backoff takes over.
            "retries.wait.ms": 100,
            "retries.max.wait.ms": 1000,
        }
        given = {
            "basic.auth.user.info": self.schema_registry_basic_auth,
            "ssl.ca.location": self.schema_registry_ssl_ca,
            "ssl.certificate.location": self.schema_registry_ssl_cert,
            "ssl.key.location": self.schema_registry_ssl_key,
        }
        config.update((name, value) for name, value in given.items() if value is not None)
        return config | dict(self.schema_registry_config)


def registry_settings(
    codec: str, options: Mapping[str, Any], *, own: Iterable[str] = ()
) -> RegistrySettings | None:
    """Check a codec's options and return those for the registry, ``None`` without one.

    Args:
        codec: The codec's name, for messages.
        options: Everything the codec was given beyond its own options.
        own: The names of its own options, for messages.

    Raises:
        ConfigurationError: If there is no such option, if its value cannot be used, or if
            it means nothing since no registry is given.

    Example:
        >>> registry_settings("avro", {"schema_registry_url": "http://localhost:8081"}).subject
        >>> registry_settings("avro", {"subjekt": "orders-value"}, own=["schema"])
        Traceback (most recent call last):
        ...
        sabot.errors.ConfigurationError: codec 'avro' has no option 'subjekt'; ...
    """
    names = [*own, *RegistryOptions.__annotations__]
    for name in options:
        if name not in names:
            listed = ", ".join(map(repr, names))
            raise ConfigurationError(
                f"codec {codec!r} has no option {name!r}; its options are "
                f"{listed}{nearest(str(name), names)}"
            )
    given = {name: value for name, value in options.items() if value is not None}
    if _URL not in given:
        # Topic and role are told to every codec, asked for or not.
        needless = [name for name in given if name not in ("topic", "for_key", *own)]
        if needless:
            raise ConfigurationError(
                f"codec {codec!r} has options {needless!r}, but no {_URL!r} they are for"
            )
        return None
    return _checked(codec, given)


def _checked(codec: str, given: dict[str, Any]) -> RegistrySettings:
    for name, value in given.items():
        usable, allowed = _CHECKS.get(name, (_is_text, "text"))
        if not usable(value):
            shown = "***" if name in _SECRET else repr(value)
            near = nearest(str(value), STRATEGIES) if name == "subject_name_strategy" else ""
            raise ConfigurationError(
                f"codec {codec!r}: {name} is {shown}; it must be {allowed}{near}"
            )
    url = given[_URL]
    urls = url if isinstance(url, str) else ",".join(url)
    return RegistrySettings(**given | {_URL: urls})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_url(value: Any) -> bool:
    urls = [value] if isinstance(value, str) else value
    return (
        isinstance(urls, Sequence)
        and len(urls) > 0
        and all(isinstance(url, str) and url.startswith("http") for url in urls)
    )


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_YES_OR_NO = (_is_bool, "True or False")
_SECRET = ("schema_registry_basic_auth", "schema_registry_config")
_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    _URL: (_is_url, "a URL such as 'http://localhost:8081', or a list of them"),
    "for_key": _YES_OR_NO,
    "auto_register": _YES_OR_NO,
    "use_latest_version": _YES_OR_NO,
    "subject_name_strategy": (
        lambda value: value in STRATEGIES,
        f"one of {', '.join(map(repr, STRATEGIES))}",
    ),
    "schema_registry_basic_auth": (
        lambda value: isinstance(value, str) and ":" in value,
        "'user:password'",
    ),
    "schema_registry_timeout_seconds": (
        lambda value: _is_number(value) and value > 0,
        "a number above 0",
    ),
    "schema_registry_retries": (
        lambda value: _is_number(value) and isinstance(value, int) and value >= 0,
        "an integer of at least 0",
    ),
    "schema_registry_config": (
        lambda value: isinstance(value, Mapping),
        "a dict of the client's properties",
    ),
}
