"""The job in bytewax: one worker, batches of ``FLAG_BATCH``, orjson.

bytewax does not commit to a Kafka group. Its offsets go to its own recovery store, as
its documentation advises for at-least-once; the snapshot interval takes the place of the
commit interval.
"""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import librdkafka
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main


def flag(messages: list[KafkaSourceMessage[Any, Any]]) -> list[KafkaSinkMessage[Any, Any]]:
    """Do the whole step on a batch: one call of Python for thousands of records."""
    loads, dumps = orjson.loads, orjson.dumps
    kept = []
    for message in messages:
        row = loads(message.value)
        if row["amount"] > 1000.0:
            row["flagged"] = True
            timestamp = message.timestamp[1]
            kept.append(KafkaSinkMessage(message.key, dumps(row), timestamp=timestamp))
    return kept


def build() -> Dataflow:
    """Return source, one step over batches, and sink."""
    brokers = [os.environ["FLAG_BROKER"]]
    flow = Dataflow("flag")
    source = KafkaSource(
        brokers,
        [os.environ["FLAG_INPUT"]],
        add_config=dict(librdkafka.CONSUMER),
        batch_size=int(os.environ["FLAG_BATCH"]),
    )
    stream = op.input("input", flow, source)
    flagged = op.flat_map_batch("flag", stream, flag)
    sink = KafkaSink(brokers, os.environ["FLAG_OUTPUT"], add_config=dict(librdkafka.PRODUCER))
    op.output("output", flagged, sink)
    return flow


def main() -> None:
    """Run until SIGINT."""
    recovery = Path(tempfile.mkdtemp(prefix="bench-flag-bytewax-"))
    init_db_dir(recovery, 1)
    cli_main(
        build(),
        workers_per_process=1,
        epoch_interval=timedelta(seconds=float(os.environ["FLAG_COMMIT_SECONDS"])),
        recovery_config=RecoveryConfig(recovery),
    )


if __name__ == "__main__":
    main()
