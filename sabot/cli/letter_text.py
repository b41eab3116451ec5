"""A dead letter as text: one line of a table, or all of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sabot.kafka.dead_letters import Letter, Tally

__all__ = ["full_text", "hexdump", "table"]

_ROW = 16


def table(found: Mapping[tuple[str, str, str], Tally]) -> str:
    """Return counts by error, step and source topic as a table."""
    rows = [("count", "error", "step", "topic", "replayed", "first", "last")]
    rows += [
        (str(each.count), *key, str(each.replayed), _moment(each.first), _moment(each.last))
        for key, each in found.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].rjust(widths[0])]
            + [cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    )


def full_text(letter: Letter) -> str:
    """Return everything about one letter; what is not text is shown as a hex dump."""
    record = letter.record
    size = "no value (a tombstone)" if record.value is None else f"{len(record.value)} bytes"
    if letter.truncated is not None:
        size += f" of {letter.truncated}"
    lines = [
        f"{record.topic}[{record.partition}]@{record.offset}  {_moment(record.timestamp)}",
        f"  error    {letter.error_class}: {letter.error_message}",
        f"  step     {letter.step}, attempt {letter.attempt} of application {letter.application!r}",
        f"  source   {letter.where}  {_moment(letter.timestamp)}",
        f"  replays  {letter.replays}",
        f"  key      {_inline(record.key)}",
        *(f"  header   {name} = {_inline(value)}" for name, value in letter.headers),
        f"  value    {size}",
    ]
    if record.value:
        text = _readable(record.value)
        shown = hexdump(record.value) if text is None else text.splitlines()
        lines += [f"    {line}" for line in shown]
    return "\n".join(lines)


def hexdump(data: bytes) -> list[str]:
    r"""Return bytes in rows of 16, in hexadecimal and as characters.

    Example:
        >>> hexdump(b"id\xff\x00")
        ['00000000  69 64 ff 00                                       |id..|']
    """
    lines = []
    for start in range(0, len(data), _ROW):
        row = data[start : start + _ROW]
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        characters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{start:08x}  {left:23}  {right:23}  |{characters}|")
    return lines


def _moment(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "-"
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _readable(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\n\t" for c in text) else None


def _inline(data: bytes | None) -> str:
    if data is None:
        return "none"
    text = _readable(data)
    if text is None or "\n" in text:
        return f"base64:{base64.b64encode(data).decode()}"
    return text
