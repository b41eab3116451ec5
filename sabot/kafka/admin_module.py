"""The client's module of admin calls, imported at its first use."""

from __future__ import annotations

from typing import Any

__all__ = ["admin_module"]


def admin_module() -> Any:
    """Return ``confluent_kafka.admin``.

    It does not declare what it exports, so a type checker knows none of it.
    """
    import confluent_kafka.admin

    return confluent_kafka.admin
