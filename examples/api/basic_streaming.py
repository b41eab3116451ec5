"""Streams without a broker: rows in memory instead of a topic, the same steps.

Run it with ``python examples/api/basic_streaming.py``.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import sabot
from sabot import Stream

orders = Stream.from_batches(
    [
        pa.RecordBatch.from_pydict(
            {"id": [1, 2, 3], "type": ["A", "B", "A"], "amount": [80.0, 250.0, 1200.0]}
        ),
        pa.RecordBatch.from_pydict({"id": [4, 5], "type": ["B", "A"], "amount": [990.0, 15.5]}),
    ]
)

# A predicate gets a whole batch and returns one boolean per row. Columns can be compared
# and combined directly, or by the functions of pyarrow.compute.
large = orders.filter(lambda b: pc.greater(b["amount"], 100.0))
large_a = orders.filter(lambda b: (b["amount"] > 100.0) & (b["type"] == "A"))


def price_in_cents(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A map returns a batch; here with one column more."""
    return batch.append_column("cents", pc.cast(batch["amount"] * 100, pa.int64()))


priced = (
    large.map(price_in_cents)
    .with_columns(currency="EUR", tax=lambda b: b["amount"] * 0.2)
    .rename({"id": "order"})
    .drop("amount")
)


def announce(order: dict[str, Any]) -> None:
    print(f"  order {order['order']}: {order['cents']} cents, {order['tax']:.2f} tax")


def main() -> None:
    print("the plan:")
    print(priced.explain())

    # collect() runs the plan here and now and returns a pyarrow.Table.
    table = large.collect()
    print(f"{table.num_rows} of {orders.collect().num_rows} orders are over 100:")
    for row in table.to_pylist():
        print(f"  {row}")
    print(f"over 100 and of type A: {large_a.to_pylist()}")

    # for_each is an output, as to_kafka is: it runs when a worker runs it.
    print("each priced order:")
    priced.for_each(announce)
    sabot.run()


if __name__ == "__main__":
    main()
