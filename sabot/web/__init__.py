"""What a process shows over HTTP to probes and people; it knows nothing of what it shows."""

from __future__ import annotations

from sabot.web.pages import Page, probe_pages
from sabot.web.server import WebServer

__all__ = ["Page", "WebServer", "probe_pages"]
