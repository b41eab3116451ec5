"""Records made to do harm, decoded in a process whose memory and time are counted.

Run by ``test_hostile_bytes.py`` as ``python -m tests.conformance.hostile CODEC``. It has a
minute of processor time, after which the system ends it, and prints one line of JSON for
each record: which of the three records failed, whether the other two are as they are
alone, and by how many bytes the process had grown at its largest.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from sabot.codecs import Codec, create_codec
from tests.conformance.cases import CASES

__all__ = ["MEGABYTE", "RECORDS"]

CPU_SECONDS = 60
MEGABYTE = 1_000_000
DEEP = 10_000


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def avro_long(number: int) -> bytes:
    return varint(((number << 1) ^ (number >> 63)) & (2**64 - 1))


DOCUMENTS = {
    "lists in lists": b'{"id":1,"t":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "objects in objects": b'{"id":1,"t":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    "a list that never ends": b'{"id":1,"t":' + b"[" * MEGABYTE,
    "a million digits": b'{"id":' + b"9" * MEGABYTE + b',"t":"a"}',
    "a large exponent": b'{"id":1e999999999,"t":"a"}',
    "a text that never ends": b'{"id":1,"t":"' + b"x" * MEGABYTE,
    "invalid UTF-8": b'{"id":1,"t":"' + b"\xff" * MEGABYTE + b'"}',
    "a million nulls": b'{"id":1,"t":[' + b"null," * MEGABYTE + b"null]}",
}
STRING_2_GB = varint(2**31 - 1)
RECORDS: dict[str, dict[str, bytes]] = {
    "avro": {
        "2 GB declared": b"\x02" + avro_long(2**31 - 1) + b"abc",
        "2**62 bytes declared": b"\x02" + avro_long(2**62) + b"a",
        "a negative length": b"\x02" + avro_long(-5) + b"abc",
        "a number that never ends": b"\xff" * MEGABYTE,
        "invalid UTF-8": b"\x02" + avro_long(MEGABYTE) + b"\xff" * MEGABYTE,
        "a megabyte left over": b"\x02\x02a" + b"\x00" * MEGABYTE,
    },
    "bytes": {},
    "json": DOCUMENTS
    | {"a hundred thousand fields": json.dumps({f"f{n}": n for n in range(100_000)}).encode()},
    "json_schema": DOCUMENTS,
    "msgpack": {
        "2 GB of text declared": b"\x82\xa2id\x01\xa1t\xdb\x7f\xff\xff\xff",
        "2 GB of bytes declared": b"\x82\xa2id\x01\xa1t\xc6\x7f\xff\xff\xff",
        "2 GB of an extension declared": b"\x82\xa2id\x01\xa1t\xc9\x7f\xff\xff\xff\x05",
        "a list of 2**32 declared": b"\x82\xa2id\x01\xa1t\xdd\xff\xff\xff\xff",
        "a map of 2**32 declared": b"\xdf\xff\xff\xff\xff\xa2id\x01",
        "lists of 2**32 in lists": b"\x82\xa2id\x01\xa1t" + b"\xdd\xff\xff\xff\xff" * DEEP,
        "lists in lists": b"\x82\xa2id\x01\xa1t" + b"\x91" * DEEP + b"\xc0",
        "maps in maps": b"\x82\xa2id\x01\xa1t" + b"\x81\xa1a" * DEEP + b"\xc0",
        "invalid UTF-8": b"\x82\xa2id\x01\xa1t\xdb" + MEGABYTE.to_bytes(4) + b"\xff" * MEGABYTE,
        "a million nulls": b"\x82\xa2id\x01\xa1t\xdd" + MEGABYTE.to_bytes(4) + b"\xc0" * MEGABYTE,
    },
    "protobuf": {
        "2 GB declared": b"\x08\x01\x12" + STRING_2_GB + b"abc",
        "2**64 bytes declared": b"\x08\x01\x12" + varint(2**64 - 1) + b"abc",
        "2 GB of an unknown field declared": b"\x08\x01\x7a" + STRING_2_GB + b"abc",
        "a number that never ends": b"\x08" + b"\xff" * MEGABYTE,
        "groups in groups": b"\x1b" * DEEP + b"\x1c" * DEEP,
        "groups that never end": b"\x1b" * MEGABYTE,
        "invalid UTF-8": b"\x08\x01\x12" + varint(MEGABYTE) + b"\xff" * MEGABYTE,
        "a field of number zero": b"\x00" * MEGABYTE,
    },
    "string": {
        "invalid UTF-8": b"\xff" * MEGABYTE,
        "a character cut off": b"a" * MEGABYTE + b"\xe2\x82",
    },
}
"""By codec, records of which each must fail alone."""


def kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def judge(codec: Codec, good: list[bytes], record: bytes) -> dict[str, object]:
    expected = codec.decode(good[:2]).columns
    # The kernel's mark of the largest size is set back to the present one.
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    decoded = codec.decode([good[0], record, good[1]])
    same = decoded.columns == expected
    rows = codec.decode_rows([good[0], record, good[1]])
    return {
        "failed": [failure.index for failure in decoded.failures],
        "failed as rows": [failure.index for failure in rows.failures],
        "others intact": same,
        "grown": (kilobytes("VmHWM") - before) * 1024,
    }


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    name = sys.argv[1]
    case = CASES[name]
    codec = create_codec(name, case.options)
    # What is imported and made at first use belongs to no record.
    codec.decode([case.good[0], *case.bad, case.good[1]])
    codec.decode_rows([case.good[0], *case.bad, case.good[1]])
    for label, record in RECORDS[name].items():
        found = judge(codec, case.good, record)
        print(json.dumps({"record": label, "length": len(record), **found}), flush=True)


if __name__ == "__main__":
    main()
