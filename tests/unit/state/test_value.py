"""What is kept comes back, type for type."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.errors import StateError
from sabot.state.value import value_bytes, value_of

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.dates()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.just("$tuple") | st.just("$float"), inner)
    ),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@given(VALUES)
def test_a_state_comes_back_as_it_was(value: Any) -> None:
    assert same(value_of(value_bytes(value)), value)


def test_what_is_no_number_stays_what_it_is() -> None:
    assert repr(value_of(value_bytes([float("nan"), float("-inf")]))) == "[nan, -inf]"


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize("value", [{1}, {1: 2}, Colour.RED, object(), "\ud800", [{"a": {2}}]])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        value_bytes(value)


@pytest.mark.parametrize("data", [b"", b"{", b'{"$bytes":7}', b'{"$new":1}', b"\xff"])
def test_bytes_that_are_no_state_are_an_error(data: bytes) -> None:
    with pytest.raises(StateError):
        value_of(data)
