"""The smallest pipeline: read a topic, keep some records, add a column, write a topic.

Run it with ``sabot run examples/quickstart.py`` against the broker that ``SABOT_BROKER``
names (``localhost:9092`` if it names none; ``sabot broker`` hosts one there), then, in two
other terminals::

    sabot tail large-orders
    sabot send orders '{"id": 1, "amount": 2500.0}'
"""

from __future__ import annotations

import os

from sabot import Stream

BROKER = os.environ.get("SABOT_BROKER", "localhost:9092")

orders = Stream.from_kafka(BROKER, "orders", "quickstart", auto_offset_reset="earliest")

(
    orders.filter(lambda b: b["amount"] > 1000.0)
    .with_columns(tax=lambda b: b["amount"] * 0.2)
    .to_kafka(BROKER, "large-orders")
)
