"""Logs: one line of text per event on a terminal, one JSON object elsewhere."""

from __future__ import annotations

from sabot.logs.setup import LogFormat, configure_logs, get_logger

__all__ = ["LogFormat", "configure_logs", "get_logger"]
