"""What is served: a status and some JSON for each path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

__all__ = ["Answer", "Page", "Pages", "as_page", "probe_pages"]


class Answer(Protocol):
    """What a probe gets to know."""

    @property
    def ok(self) -> bool: ...
    @property
    def reasons(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to one request.

    Attributes:
        status: The HTTP status.
        body: JSON.
    """

    status: int
    body: bytes


Pages = Mapping[str, Callable[[], Page]]
"""Path to what makes its page; called on the server's thread, so it must not wait."""


def as_page(value: Any, status: int = 200) -> Page:
    r"""Return a page of something that JSON can say; dataclasses are objects.

    Example:
        >>> as_page({"ok": True})
        Page(status=200, body=b'{"ok":true}\n')
    """
    return Page(status, msgspec.json.encode(value, enc_hook=str) + b"\n")


def probe_pages(
    *,
    health: Callable[[], Answer],
    ready: Callable[[], Answer],
    statistics: Callable[[], Any],
) -> Pages:
    """Return the pages of a worker.

    Args:
        health: Whether a restart of the process is not called for: ``/health``.
        ready: Whether it can do its work now: ``/ready``.
        statistics: What to show at ``/``.
    """
    return {
        "/health": lambda: _probe(health()),
        "/ready": lambda: _probe(ready()),
        "/": lambda: as_page(statistics()),
    }


def _probe(answer: Answer) -> Page:
    content = {"ok": answer.ok, "reasons": list(answer.reasons)}
    return as_page(content, 200 if answer.ok else 503)
