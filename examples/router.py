"""Fan-out: one topic in, one topic per region out, on one consumer.

All branches start from one stream, so a record is read and decoded once however many
branches look at it. No branch changes a column: every record keeps its bytes, key and
timestamp.

Run it with ``sabot worker examples/router.py``.
"""

from __future__ import annotations

import os

import sabot

REGIONS = ("eu", "us", "asia")

app = sabot.App("router", broker=os.environ.get("SABOT_BROKER", "localhost:9092"))

orders = app.stream("orders", auto_offset_reset="earliest")

for region in REGIONS:
    # A loop variable belongs to the loop: without `wanted=region` all three filters would
    # look for the last region.
    orders.filter(lambda b, wanted=region: b["region"] == wanted, name=f"only-{region}").to_kafka(
        app.broker, f"orders-{region}"
    )

# What fits nowhere must not vanish.
orders.filter(lambda b: ~b["region"].isin(list(REGIONS)), name="elsewhere").to_kafka(
    app.broker, "orders-elsewhere"
)
