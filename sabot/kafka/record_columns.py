"""Keys and headers as columns: what a source or a sink was asked for.

Nobody who does not ask pays for it: without these options keys stay bytes, and headers are
not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sabot.codecs import Codec, create_codec
from sabot.errors import ConfigurationError

__all__ = ["DEFAULT_KEY_COLUMN", "RecordColumns"]

DEFAULT_KEY_COLUMN = "key"


@dataclass(frozen=True, slots=True, eq=False)
class RecordColumns:
    """Options about keys and headers.

    Attributes:
        key_codec_type, key_codec_options: How keys are encoded; ``None`` leaves them be.
        key_column: The column that holds the decoded key.
        headers_column: The column that holds the headers; ``None`` for none.

    Raises:
        ConfigurationError: If they do not go together.
    """

    key_codec_type: str | Codec | None = None
    key_codec_options: Mapping[str, Any] | None = None
    key_column: str = DEFAULT_KEY_COLUMN
    headers_column: str | None = None

    def __post_init__(self) -> None:
        if self.key_codec_type is None and self.key_codec_options:
            raise ConfigurationError("key_codec_options are given, but no key_codec_type")
        for name in ("key_column", "headers_column"):
            value = getattr(self, name)
            if not (isinstance(value, str) or (name == "headers_column" and value is None)):
                raise ConfigurationError(f"{name} is {value!r}; allowed: a column's name")
        if self.key_codec_type is not None and self.key_column == self.headers_column:
            raise ConfigurationError(
                f"key_column and headers_column are both {self.key_column!r}; give them two names"
            )
        self.create_key_codec(None)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are asked for."""
        key = () if self.key_codec_type is None else (self.key_column,)
        return key if self.headers_column is None else (*key, self.headers_column)

    def create_key_codec(self, topic: str | None) -> Codec | None:
        """Return a codec for the keys of a topic, if they are to be decoded."""
        if self.key_codec_type is None:
            return None
        return create_codec(self.key_codec_type, self.key_codec_options, topic=topic, for_key=True)
