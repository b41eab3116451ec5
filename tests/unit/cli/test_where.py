from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.cli.where import parse_where
from sabot.errors import ConfigurationError

VALUES: dict[str, Any] = {"error": "KeyError", "step": "map-1", "offset": 17, "key": None}


def holds(text: str) -> bool:
    return parse_where(text, tuple(VALUES))(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "error == 'KeyError'",
        "error != 'ValueError' and offset >= 17",
        "10 < offset <= 17 or error == 'x'",
        "not (offset in (1, 2, 3))",
        "step in ['map-1', 'map-2']",
        "'Key' in error",
        "key is None",
        "key == None",
        "offset > -1",
        "offset > 16.5",
        "step not in ('a',)",
        "True",
    ],
)
def test_what_python_would_say_is_true_holds(text: str) -> None:
    assert holds(text)
    assert not holds(f"not ({text})")


@pytest.mark.parametrize("text", ["key < 5", "key > 5", "'a' in key", "error < 5", "5 in error"])
def test_what_cannot_be_compared_does_not_hold(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "error.lower() == 'x'",
        "offset + 1 == 18",
        "[x for x in (1,)]",
        "lambda: 1",
        "error[0] == 'K'",
        "f'{offset}' == '17'",
        "offset if key else step",
        "(offset := 5)",
        "-key",
        "1j == 1",
        "... == 1",
        "{'a': 1}",
        "offset ** 99999999",
        "-'a' == 1",
    ],
)
def test_everything_else_of_python_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--where"):
        holds(text)


@pytest.mark.parametrize("text", ["", "error ==", "a; b", "x = 1", "(" * 500, "\x00"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not understood"):
        holds(text)


def test_a_name_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"names 'ofset'; .* did you mean 'offset'"):
        holds("ofset == 1")


def test_a_very_long_condition_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="longer than"):
        holds("not " * 5000 + "offset")


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_is_refused(text: str) -> None:
    try:
        condition = parse_where(text, tuple(VALUES))
    except ConfigurationError:
        return
    assert isinstance(condition(VALUES), bool)
