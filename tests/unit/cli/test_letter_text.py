from __future__ import annotations

from sabot.cli.letter_text import full_text, hexdump, table
from sabot.kafka.dead_letters import Tally, letter_of
from sabot.types import Headers, Record

HEADERS: Headers = [
    ("trace", b"abc"),
    ("raw", b"\xff"),
    ("sabot-source-topic", b"orders"),
    ("sabot-source-partition", b"3"),
    ("sabot-source-offset", b"17"),
    ("sabot-source-timestamp", b"1700000000000"),
    ("sabot-error-class", b"builtins.KeyError"),
    ("sabot-error-message", b"'id'"),
    ("sabot-step", b"map-1"),
    ("sabot-attempt", b"2"),
    ("sabot-application", b"billing"),
]


def shown(value: bytes | None, *more: tuple[str, bytes]) -> list[str]:
    record = Record(value, b"k", [*HEADERS, *more], "dlq", 0, 7, 1_700_000_001_000)
    return full_text(letter_of(record)).splitlines()


def test_a_letter_in_full_says_everything() -> None:
    assert shown(b'{"id": 1}') == [
        "dlq[0]@7  2023-11-14 22:13:21Z",
        "  error    builtins.KeyError: 'id'",
        "  step     map-1, attempt 2 of application 'billing'",
        "  source   orders[3]@17  2023-11-14 22:13:20Z",
        "  replays  0",
        "  key      k",
        "  header   trace = abc",
        "  header   raw = base64:/w==",
        "  value    9 bytes",
        '    {"id": 1}',
    ]


def test_a_value_that_is_no_text_is_a_hex_dump() -> None:
    *_, size, first, second = shown(b"\x82\xa2id\x01\xa1t\xff" + bytes(9))
    assert size == "  value    17 bytes"
    assert first == (
        "    00000000  82 a2 69 64 01 a1 74 ff  00 00 00 00 00 00 00 00  |..id..t.........|"
    )
    assert second.startswith("    00000010  00 ")


def test_what_would_steer_a_terminal_is_no_text() -> None:
    assert "1b 5b 32 4a" in shown(b"\x1b[2J")[-1]


def test_a_tombstone_and_a_value_cut_short_say_so() -> None:
    assert shown(None)[-1] == "  value    no value (a tombstone)"
    assert "  value    2 bytes of 900" in shown(b"ab", ("sabot-truncated", b"900"))


def test_counts_are_a_table() -> None:
    found = {
        ("KeyError", "map-1", "orders"): Tally(12, 0, 1_700_000_000_000, 9),
        ("DecodeError", "source", "clicks"): Tally(3),
    }
    assert table(found).splitlines() == [
        "count  error        step    topic   replayed  first                 last",
        "   12  KeyError     map-1   orders  9         1970-01-01 00:00:00Z  2023-11-14 22:13:20Z",
        "    3  DecodeError  source  clicks  0         -                     -",
    ]


def test_a_dump_of_nothing_has_no_rows() -> None:
    assert hexdump(b"") == []
