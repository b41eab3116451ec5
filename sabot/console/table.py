"""The live table: pipelines and their outputs, in records per second and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sabot.console.rates import OutputRate, PipelineRate

__all__ = ["line", "table"]

_HEAD = ("", "in/s", "out/s", "in", "out", "waiting")
_NAME_WIDTH = 44


def table(pipelines: Sequence[PipelineRate]) -> list[str]:
    """Return the lines of the table, all of one width.

    Example:
        >>> flagged = OutputRate("to_kafka:flagged", 120, 12.0)
        >>> rate = PipelineRate("fraud", "running", 1000, 100.0, 7, 0, (flagged,))
        >>> for text in table([rate]):
        ...     print(text.rstrip())
                                 in/s      out/s         in        out    waiting
        fraud: running            100                 1,000                     7
          to_kafka:flagged                    12                   120
    """
    rows: list[tuple[str, ...]] = [_HEAD]
    for pipeline in pipelines:
        rows.append(_pipeline_row(pipeline))
        rows += [_output_row(output) for output in pipeline.outputs]
    width = max(20, *(min(len(row[0]), _NAME_WIDTH) for row in rows))
    return [
        _cut(row[0], width).ljust(width) + "".join(cell.rjust(11) for cell in row[1:])
        for row in rows
    ]


def line(seconds: float, pipelines: Sequence[PipelineRate], watched: Mapping[str, str]) -> str:
    """Return one line for where nothing can be redrawn, such as a log.

    Args:
        seconds: Since the start.
        pipelines: The rates.
        watched: Label to the name of an output, to be shown by itself.

    Example:
        >>> flagged = OutputRate("to_kafka:flagged", 120, 12.0)
        >>> rate = PipelineRate("fraud", "running", 1000, 100.0, 7, 0, (flagged,))
        >>> line(3.0, [rate], {"flagged": "to_kafka:flagged"})
        '  3 s   fraud: in 100/s, out 12/s   flagged 12/s'
    """
    parts = [f"{seconds:3.0f} s", *(_speeds(pipeline) for pipeline in pipelines)]
    outputs = [output for pipeline in pipelines for output in pipeline.outputs]
    for label, name in watched.items():
        speed = sum(output.per_second for output in outputs if output.name == name)
        parts.append(f"{label} {_whole(speed)}/s")
    restarts = sum(pipeline.restarts for pipeline in pipelines)
    if restarts:
        parts.append(f"restarts {restarts}")
    return "   ".join(parts)


def _speeds(pipeline: PipelineRate) -> str:
    text = f"{pipeline.name}: in {_whole(pipeline.per_second)}/s"
    if not pipeline.outputs:
        return text
    return f"{text}, out {_whole(sum(output.per_second for output in pipeline.outputs))}/s"


def _pipeline_row(pipeline: PipelineRate) -> tuple[str, ...]:
    again = f", restarted {pipeline.restarts}x" if pipeline.restarts else ""
    return (
        f"{pipeline.name}: {pipeline.state}{again}",
        _whole(pipeline.per_second),
        "",
        _whole(pipeline.records),
        "",
        _whole(pipeline.waiting),
    )


def _output_row(output: OutputRate) -> tuple[str, ...]:
    return (
        f"  {output.name}",
        "",
        _whole(output.per_second),
        "",
        _whole(output.records),
        "",
    )


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
