"""The job as a Sabot user writes it."""

from __future__ import annotations

import os

import pyarrow.compute as pc

from sabot import App

broker = os.environ["FLAG_BROKER"]

app = App("bench-flag", broker=broker)
(
    app.stream(
        os.environ["FLAG_INPUT"],
        group_id=os.environ["FLAG_GROUP"],
        auto_offset_reset="earliest",
        batch_size=int(os.environ["FLAG_BATCH"]),
    )
    .filter(lambda b: pc.greater(b["amount"], 1000.0))
    .map(lambda b: b.append_column("flagged", pc.scalar(True)))
    .to_kafka(broker, os.environ["FLAG_OUTPUT"])
)
