"""The job in Faust: one agent, its compiled parts and uvloop, orjson through its JSON codec."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import faust

app = faust.App(
    os.environ["FLAG_GROUP"],
    broker="kafka://" + os.environ["FLAG_BROKER"],
    datadir=tempfile.mkdtemp(prefix="bench-flag-faust-"),
    value_serializer="json",
    key_serializer="raw",
    consumer_auto_offset_reset="earliest",
    broker_commit_interval=float(os.environ["FLAG_COMMIT_SECONDS"]),
    broker_max_poll_records=int(os.environ["FLAG_BATCH"]),
    consumer_max_fetch_size=4 * 1024 * 1024,
    stream_buffer_maxsize=16_384,
    stream_wait_empty=False,
    producer_linger=0.02,
    producer_max_batch_size=1024 * 1024,
    topic_disable_leader=True,
    topic_allow_declare=False,
    web_enabled=False,
)
source = app.topic(os.environ["FLAG_INPUT"])
sink = app.topic(os.environ["FLAG_OUTPUT"])


@app.agent(source)
async def flag(stream: Any) -> None:
    """Send the rows that pass, with the key and timestamp they came with."""
    async for event in stream.events():
        row = event.value
        if row["amount"] > 1000.0:
            row["flagged"] = True
            await sink.send(key=event.key, value=row, timestamp=event.message.timestamp)


if __name__ == "__main__":
    app.main()
