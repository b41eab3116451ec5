"""What the registry is asked, and what is remembered of its answers.

Schemas never change under their id, so they are asked for once. Nothing is asked when a
codec is made, only when it decodes or encodes.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any, Literal, NoReturn, TypeVar

from sabot._optional import require
from sabot.codecs.schema_registry.options import RegistrySettings, registry_settings
from sabot.codecs.schema_registry.tls import tls_refusal
from sabot.errors import (
    ConfigurationError,
    SchemaRegistryError,
    SchemaRegistryUnavailableError,
    UnknownSchemaError,
)

__all__ = ["RegisteredSchema", "SchemaKind", "SchemaRegistry"]

T = TypeVar("T")

SchemaKind = Literal["AVRO", "PROTOBUF", "JSON"]

_RETRIABLE = {408, 429, 500, 502, 503, 504}
_NO_SUCH_ID = {40403}
_UNKNOWN_FOR_SECONDS = 5.0
_UNKNOWN_IDS = 10_000


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A schema as the registry has it.

    Attributes:
        id: Its number, which every record names.
        kind: The language it is written in.
        text: The schema.
        references: What it imports: the name it uses, and subject and version it means.
    """

    id: int
    kind: str
    text: str
    references: tuple[tuple[str, str, int], ...] = ()


class SchemaRegistry:
    """A schema registry and what was learned from it. One thread at a time may use it.

    Every method may raise `SchemaRegistryUnavailableError`, which is nobody's fault and
    passes by itself: ask again later, with all of the batch. Any other
    `SchemaRegistryError` is a refusal and stays one.

    Args:
        options: The options of `RegistryOptions`, or the settings made of them.
    """

    def __init__(self, options: Mapping[str, Any] | RegistrySettings) -> None:
        if isinstance(options, RegistrySettings):
            settings: RegistrySettings | None = options
        else:
            settings = registry_settings("schema registry", options)
        if settings is None:
            raise ConfigurationError("a schema registry needs a 'schema_registry_url'")
        self.settings = settings
        self._schemas: dict[int, RegisteredSchema] = {}
        self._unknown: dict[int, tuple[float, str]] = {}
        self._ids: dict[tuple[object, ...], int] = {}
        self._made: Any = None
        self._api: Any = None

    def schema(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an id.

        That there is none is remembered for some seconds only: a registry that follows
        another one may learn of it later.

        Raises:
            UnknownSchemaError: If the registry has none; the fault of the record alone.
        """
        known = self._schemas.get(schema_id)
        if known is not None:
            return known
        since, why = self._unknown.get(schema_id, (0.0, ""))
        if why and time.monotonic() - since < _UNKNOWN_FOR_SECONDS:
            raise UnknownSchemaError(why)
        try:
            found = self._ask(
                f"schema {schema_id}", methodcaller("get_schema", schema_id), unknown=True
            )
        except UnknownSchemaError as error:
            if len(self._unknown) >= _UNKNOWN_IDS:
                self._unknown.clear()
            self._unknown[schema_id] = (time.monotonic(), str(error))
            raise
        schema = self._schemas[schema_id] = _registered(schema_id, found)
        return schema

    def latest(self, subject: str) -> RegisteredSchema:
        """Return the newest schema of a subject, asked for each time."""

        def newest(client: Any) -> Any:
            client.clear_latest_caches()
            return client.get_latest_version(subject)

        found = self._ask(f"the latest schema of subject {subject!r}", newest)
        schema = _registered(found.schema_id, found.schema)
        return self._schemas.setdefault(schema.id, schema)

    def register(
        self,
        subject: str,
        kind: SchemaKind,
        text: str,
        references: Sequence[tuple[str, str, int]] = (),
    ) -> int:
        """Return the schema's id, after adding it to the subject if it is new there.

        Raises:
            SchemaRegistryError: If it is not compatible with those the subject has, or
                not valid.
        """
        return self._id_of(subject, kind, text, references, register=True)

    def lookup(
        self,
        subject: str,
        kind: SchemaKind,
        text: str,
        references: Sequence[tuple[str, str, int]] = (),
    ) -> int:
        """Return the id of a schema the subject has already.

        Raises:
            SchemaRegistryError: If the subject does not have it.
        """
        return self._id_of(subject, kind, text, references, register=False)

    def version(
        self,
        subject: str,
        kind: SchemaKind,
        text: str,
        references: Sequence[tuple[str, str, int]] = (),
        *,
        register: bool,
    ) -> int:
        """Return the version a schema has within its subject, as references name it.

        Args:
            subject: The subject.
            kind: The language.
            text: The schema.
            references: What it imports.
            register: Whether to add it if the subject does not have it.

        Raises:
            SchemaRegistryError: If the subject does not have it, or does not take it.
        """
        if register:
            self.register(subject, kind, text, references)

        def ask(client: Any) -> int:
            schema = self._api.Schema(
                text, kind, [self._api.SchemaReference(*each) for each in references]
            )
            return int(client.lookup_schema(subject, schema).version)

        return self._ask(f"looking up a schema for subject {subject!r}", ask)

    def resolve_references(self, schema: RegisteredSchema) -> dict[str, str]:
        """Return the text of all schemas this one imports, by the name it uses for each.

        Each comes after those that it imports itself.

        Raises:
            SchemaRegistryError: If a reference leads nowhere.
        """
        found: dict[str, str] = {}
        self._collect(schema.references, found, set())
        return found

    def _collect(
        self,
        references: Sequence[tuple[str, str, int]],
        found: dict[str, str],
        seen: set[tuple[str, int]],
    ) -> None:
        for name, subject, version in references:
            if name in found or (subject, version) in seen:
                continue
            seen.add((subject, version))
            what = f"version {version} of subject {subject!r}, which a schema refers to"
            answer = self._ask(what, methodcaller("get_version", subject, version))
            imported = _registered(answer.schema_id, answer.schema)
            self._collect(imported.references, found, seen)
            found[name] = imported.text

    def _id_of(
        self,
        subject: str,
        kind: str,
        text: str,
        references: Sequence[tuple[str, str, int]],
        *,
        register: bool,
    ) -> int:
        key = (subject, kind, text, tuple(references), register)
        known = self._ids.get(key)
        if known is not None:
            return known

        def ask(client: Any) -> int:
            schema = self._api.Schema(
                text, kind, [self._api.SchemaReference(*each) for each in references]
            )
            if register:
                return int(client.register_schema(subject, schema))
            return int(client.lookup_schema(subject, schema).schema_id)

        verb = "registering" if register else "looking up"
        found = self._ids[key] = self._ask(f"{verb} a schema for subject {subject!r}", ask)
        return found

    def _ask(self, what: str, call: Callable[[Any], T], *, unknown: bool = False) -> T:
        client = self._client()
        httpx = _http_package()
        try:
            return call(client)
        except self._api.SchemaRegistryError as error:
            self._refused(what, error, unknown=unknown)
        except httpx.TransportError as error:
            refusal = tls_refusal(error)
            if refusal is not None:
                raise SchemaRegistryError(
                    f"no safe connection to the schema registry at {self._url} ({what}): {refusal}"
                ) from error
            raise SchemaRegistryUnavailableError(
                f"the schema registry at {self._url} does not answer ({what}): "
                f"{type(error).__name__}: {error}"
            ) from error

    def _refused(self, what: str, error: Any, *, unknown: bool) -> NoReturn:
        status, code = error.http_status_code, error.error_code
        said = f"{error.error_message} (HTTP {status}, code {code})"
        if status in _RETRIABLE:
            raise SchemaRegistryUnavailableError(
                f"the schema registry at {self._url} cannot answer now ({what}): {said}"
            ) from error
        if unknown and status == 404 and (code in _NO_SUCH_ID or code == status):
            raise UnknownSchemaError(
                f"the schema registry at {self._url} has no {what}: {said}"
            ) from error
        raise SchemaRegistryError(
            f"the schema registry at {self._url} refuses {what}: {said}"
        ) from error

    @property
    def _url(self) -> str:
        # A URL may hold a password.
        return ",".join(
            url if "@" not in url else url.partition("//")[0] + "//" + url.rpartition("@")[2]
            for url in self.settings.schema_registry_url.split(",")
        )

    def _client(self) -> Any:
        if self._made is None:
            self._api = require(
                "confluent_kafka.schema_registry", extra="registry", needed_by="a schema registry"
            )
            try:
                made = self._api.SchemaRegistryClient(self.settings.client_config())
            except (ValueError, TypeError, OSError) as error:
                raise ConfigurationError(
                    f"the schema registry's options cannot be used: {error}"
                ) from error
            self._made = made
            # A codec has no end of its own; its connections close with it.
            weakref.finalize(self, made.close)
        return self._made


def _registered(schema_id: int, schema: Any) -> RegisteredSchema:
    references = tuple(
        (each.name, each.subject, int(each.version)) for each in schema.references or ()
    )
    return RegisteredSchema(
        int(schema_id), schema.schema_type or "AVRO", schema.schema_str, references
    )


def _http_package() -> Any:
    """Return the HTTP package whose errors the client lets through."""
    try:
        return require("httpx2", extra="registry", needed_by="a schema registry")
    except ImportError:
        return require("httpx", extra="registry", needed_by="a schema registry")
