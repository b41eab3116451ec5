"""The fluent surface: streams."""

from sabot.api.stream import OutputStream, Stream

__all__ = ["OutputStream", "Stream"]
