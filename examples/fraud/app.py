"""Fraud detection: a pipeline, a fan-out and an old-style agent on one topic.

Run it with ``sabot worker examples.fraud.app:app``. It writes its own transactions, into a
broker that lives in the same process unless ``SABOT_BROKER`` names another one.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pyarrow.compute as pc

import sabot
from examples.fraud.generator import Generator
from examples.fraud.transactions import KINDS, LIMIT

app = sabot.App("fraud", broker=os.environ.get("SABOT_BROKER", "embedded://"))

transactions = app.stream("transactions", auto_offset_reset="earliest")

# The pipeline: keep what is above the limit, add a column, write it to another topic.
flagged = transactions.filter(lambda b: pc.greater(b["amount"], LIMIT), name="above-limit").map(
    lambda b: b.append_column("flagged", pc.scalar(True)), name="add-flag"
)
flagged.to_kafka(app.broker, "flagged-transactions")

# The fan-out: each transaction goes to the topic of its type. All branches share one
# consumer and one decode with the pipeline above.
for kind in KINDS:
    transactions.filter(lambda b, kind=kind: b["type"] == kind, name=f"only-{kind}").to_kafka(
        app.broker, f"{kind}-transactions"
    )

merchants: Counter[str] = Counter()


# An agent in the style of before, one event at a time. It warns that it is deprecated, and
# becomes a pipeline of its own: see `sabot explain examples.fraud.app:app`.
@app.agent("transactions", auto_offset_reset="earliest")
async def count_merchants(stream: Any) -> None:
    async for transaction in stream:
        merchants[transaction["merchant"]] += 1


generator = Generator(
    app.broker,
    "transactions",
    [f"{kind}-transactions" for kind in KINDS],
    rate=float(os.environ.get("FRAUD_RATE", "2000")),
    seconds=float(os.environ.get("FRAUD_SECONDS", "inf")),
)


@app.task
async def write_transactions() -> None:
    await generator.run()
