"""Client settings shared by the peers that use librdkafka.

Tuned for a backlog: without the two fetch settings a consumer idles most of the time,
because librdkafka waits ``fetch.queue.backoff.ms`` (1 s by default) whenever its local
queue holds ``queued.min.messages``.
"""

from __future__ import annotations

CONSUMER: dict[str, str | int | float | bool] = {
    "fetch.queue.backoff.ms": 5,
    "queued.min.messages": 1_000_000,
    "queued.max.messages.kbytes": 65_536,
    "fetch.max.bytes": 16 * 1024 * 1024,
    "max.partition.fetch.bytes": 4 * 1024 * 1024,
}
"""Fetch far ahead, within 64 MB."""

PRODUCER: dict[str, str | int | float | bool] = {
    "enable.idempotence": True,
    "linger.ms": 20,
    "batch.size": 1024 * 1024,
    "batch.num.messages": 10_000,
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 131_072,
}
"""Large batches from an idempotent producer (``acks=all``), no compression."""
