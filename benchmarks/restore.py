"""How fast a changelog is read back into a store, and what the store does then.

    python -m benchmarks.restore --bootstrap localhost:9092

Writes one partition of a changelog, restores it into each kind of store, scans the store
and empties it. Prints Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from pathlib import Path

from confluent_kafka import Producer

from sabot.kafka.admin import create_topic
from sabot.kafka.restore import Restorer
from sabot.state import MemoryStore, Store
from sabot.state.rocks import RocksStore


def fill(bootstrap: str, topic: str, records: int) -> None:
    """Write a changelog of so many keys."""
    create_topic(bootstrap, topic, 1, config={"cleanup.policy": "compact"})
    producer = Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": records})
    for number in range(records):
        producer.produce(topic, b'{"seen": %d}' % number, b"key-%08d" % number)
    producer.flush(120)


def measure(bootstrap: str, topic: str, records: int, store: Store) -> None:
    """Print one row of the table."""
    restorer = Restorer({"bootstrap.servers": bootstrap})
    begun = time.perf_counter()
    restored = restorer.restore(store, topic, 0, records).result(300)
    read = restored.records / (time.perf_counter() - begun)
    restorer.close()
    begun = time.perf_counter()
    seen = sum(1 for _ in store.scan()) / (time.perf_counter() - begun)
    begun = time.perf_counter()
    store.clear()
    cleared = time.perf_counter() - begun
    store.close()
    print(f"| {type(store).__name__} | {read:,.0f} | {seen:,.0f} | {cleared * 1000:.1f} |")


def main() -> None:
    """Measure both stores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True, help="the broker's address")
    parser.add_argument("--records", type=int, default=200_000)
    options = parser.parse_args()
    topic = f"bench-restore-{uuid.uuid4().hex[:8]}"
    fill(options.bootstrap, topic, options.records)
    print("| store | restored records/s | scanned keys/s | emptied in ms |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for store in (MemoryStore(), RocksStore(Path(folder) / "db")):
            measure(options.bootstrap, topic, options.records, store)


if __name__ == "__main__":
    main()
