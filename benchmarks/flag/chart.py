"""A bar chart as an SVG that can be read on a light page and on a dark one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Bar", "draw"]

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .note { fill: #59636e; font-size: 12px }
  .bar { fill: #8c959f }
  .ours { fill: #0969da }
  .mark { stroke: #1f2328; stroke-width: 1.5 }
  .axis { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .bar { fill: #6e7681 }
    .ours { fill: #4493f8 }
    .mark { stroke: #f0f6fc }
    .axis { stroke: #3d444d }
  }
"""

_WIDTH, _LABELS, _VALUES = 800, 260, 150
_TOP, _ROW, _THICK = 56, 34, 20


@dataclass(frozen=True, slots=True)
class Bar:
    """One contender: its median, the span of its runs, and whether it is Sabot."""

    label: str
    value: float
    low: float
    high: float
    note: str
    ours: bool


def draw(title: str, subtitle: str, bars: Sequence[Bar]) -> str:
    """Return the chart; a bar is the median, the thin line across its end spans all runs."""
    height = _TOP + _ROW * len(bars) + 12
    top = max((bar.high for bar in bars), default=1.0)
    scale = (_WIDTH - _LABELS - _VALUES) / top
    spoken = "; ".join(f"{bar.label}: {bar.value:,.0f}" for bar in bars)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title spoken"',
        f' viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="spoken">{escape(spoken)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="12" y="24">{escape(title)}</text>',
        f'<text class="note" x="12" y="43">{escape(subtitle)}</text>',
        f'<line class="axis" x1="{_LABELS}" x2="{_LABELS}" y1="{_TOP - 4}" y2="{height - 10}"/>',
    ]
    for number, bar in enumerate(bars):
        parts += _row(bar, _TOP + number * _ROW, scale)
    return "\n".join([*parts, "</svg>", ""])


def _row(bar: Bar, y: int, scale: float) -> list[str]:
    middle = y + _THICK / 2
    kind = "ours" if bar.ours else "bar"
    low, high = _LABELS + bar.low * scale, _LABELS + bar.high * scale
    length = bar.value * scale
    note = f'<tspan class="note" dx="4">{escape(bar.note)}</tspan>'
    return [
        f'<text x="{_LABELS - 10}" y="{middle + 4.5}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{kind}" x="{_LABELS}" y="{y}" width="{length:.1f}" height="{_THICK}"/>',
        f'<line class="mark" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{high + 8:.1f}" y="{middle + 4.5}">{bar.value:,.0f} {note}</text>',
    ]
