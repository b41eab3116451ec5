from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from sabot.testing.requests import API_KEYS, RequestHeader, read_header


@given(st.sampled_from(sorted(API_KEYS)), st.integers(0, 20), st.integers(-(2**31), 2**31 - 1))
def test_a_header_is_read_whatever_follows(api: str, version: int, number: int) -> None:
    body = struct.pack(">hhih", API_KEYS[api], version, number, 2) + b"me" + bytes(9)
    assert read_header(body) == RequestHeader(api, version, number, "me")


def test_a_client_without_a_name_and_a_request_without_one_are_read() -> None:
    body = struct.pack(">hhih", 999, 0, 7, -1)
    assert read_header(body) == RequestHeader("999", 0, 7, None)


def test_what_is_too_short_is_no_request() -> None:
    assert read_header(b"GET /") is None
