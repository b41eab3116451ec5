"""``output.run()`` in a script of its own: rule 8."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import Command
from tests.broker import Kafka

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to send"),
]

SCRIPT = """
from sabot import Stream

options = dict(auto_offset_reset="earliest", auto_commit_interval_ms=100)
rows = Stream.from_kafka({broker!r}, {source!r}, {group!r}, **options)
even = rows.filter(lambda b: b["even"]).to_kafka({broker!r}, {even!r})
odd = rows.filter(lambda b: ~b["even"]).to_kafka({broker!r}, {odd!r})
odd.run()
"""


def test_running_one_output_runs_those_that_share_its_group(kafka: Kafka, tmp_path: Path) -> None:
    source, even, odd = (kafka.create_topic(kafka.unique(name), 1) for name in ("a", "b", "c"))
    group = kafka.unique("g")
    kafka.produce(source, [{"n": n, "even": n % 2 == 0} for n in range(100)])
    (tmp_path / "script.py").write_text(
        SCRIPT.format(broker=kafka.bootstrap, source=source, group=group, even=even, odd=odd)
    )
    with Command("script.py", cwd=tmp_path, python=True) as script:
        # Alone, the one would commit what the other has not seen.
        kafka.read(odd, 50)
        kafka.read(even, 50)
        script.terminate()
        assert script.ends() == ExitCode.OK, str(script)
    assert kafka.committed(group, source) == {0: 100}
    assert sorted(row["n"] for row in kafka.values(even)) == list(range(0, 100, 2))
    assert sorted(row["n"] for row in kafka.values(odd)) == list(range(1, 100, 2))
