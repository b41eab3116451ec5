from __future__ import annotations

from sabot.console.rates import OutputRate, PipelineRate
from sabot.console.table import line, table

FLAGGED = OutputRate("to_kafka:flagged", 1_200, 12.4)
CARD = OutputRate("to_kafka:card", 9_000, 88.0)
FRAUD = PipelineRate("fraud", "running", 10_000, 100.0, 7, 0, (FLAGGED, CARD))
AGENT = PipelineRate("count_merchants", "backing off", 5, 1.0, 0, 2, ())


def test_the_table_reads_like_this() -> None:
    assert "\n".join(text.rstrip() for text in table([FRAUD, AGENT])) == (
        "                                                 in/s      out/s         in        out"
        "    waiting\n"
        "fraud: running                                    100                10,000"
        "                     7\n"
        "  to_kafka:flagged                                            12                 1,200\n"
        "  to_kafka:card                                               88                 9,000\n"
        "count_merchants: backing off, restarted 2x          1                     5"
        "                     0"
    )


def test_all_lines_are_of_one_width() -> None:
    assert len({len(text) for text in table([FRAUD, AGENT])}) == 1


def test_a_long_name_is_cut() -> None:
    long = PipelineRate("x" * 200, "running", 1, 1.0, 0, 0, ())
    assert "…" in table([long])[1]
    assert len(table([long])[1]) < 120


def test_a_worker_without_pipelines_has_only_a_head() -> None:
    assert len(table([])) == 1


def test_one_line_says_each_pipelines_speed_and_what_is_watched() -> None:
    text = line(12.3, [FRAUD, AGENT], {"flagged": "to_kafka:flagged"})
    assert text == (
        " 12 s   fraud: in 100/s, out 100/s   count_merchants: in 1/s   flagged 12/s   restarts 2"
    )
