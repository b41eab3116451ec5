from __future__ import annotations

import pytest

from sabot.cli.failure import describe_failure, exit_code_of, traceback_text
from sabot.errors import (
    AppLoadError,
    BrokerUnavailableError,
    ConfigurationError,
    InternalError,
    PlanError,
    SabotError,
    TopicNotFoundError,
)
from sabot.runtime.exit_codes import ExitCode


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        if cause is None:
            raise error
        raise error from cause
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AppLoadError("x"), ExitCode.LOAD),
        (ConfigurationError("x"), ExitCode.USAGE),
        (PlanError("x"), ExitCode.USAGE),
        (BrokerUnavailableError("x"), ExitCode.BROKER),
        (TopicNotFoundError("x"), ExitCode.BROKER),
        (SabotError("x"), ExitCode.FAILED),
        (ValueError("x"), ExitCode.FAILED),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: ExitCode) -> None:
    assert exit_code_of(error) == code


def test_one_of_our_own_errors_is_its_text() -> None:
    assert describe_failure(SabotError("no such thing")) == "error: no such thing"


def test_causes_follow_one_to_a_line() -> None:
    inner = raised(OSError("refused"), raised(KeyError("id")))
    assert describe_failure(raised(SabotError("cannot connect"), inner)) == (
        "error: cannot connect\n  because: OSError: refused\n  because: KeyError: 'id'"
    )


def test_a_cause_that_is_quoted_already_is_left_out() -> None:
    error = raised(AppLoadError("it raised KeyError: 'id'"), raised(KeyError("id")))
    assert describe_failure(error) == "error: it raised KeyError: 'id'"


def test_a_cause_without_words_is_named() -> None:
    error = raised(SabotError("step failed"), raised(RuntimeError()))
    assert describe_failure(error) == "error: step failed\n  because: RuntimeError"


def test_another_error_says_how_to_see_more() -> None:
    assert describe_failure(ValueError("5")) == (
        "error: ValueError: 5\n  --debug shows the traceback"
    )
    assert describe_failure(ValueError("5"), hint=False) == "error: ValueError: 5"


def test_a_bug_of_sabot_asks_to_be_reported() -> None:
    assert "please report" in describe_failure(InternalError("impossible"))


def test_a_circle_of_causes_ends() -> None:
    first, second = SabotError("first"), SabotError("second")
    first.__cause__, second.__cause__ = second, first
    assert describe_failure(first) == "error: first\n  because: second"


def test_a_context_that_was_cut_off_is_no_cause() -> None:
    def look_up() -> None:
        try:
            raise KeyError("id")
        except KeyError:
            raise SabotError("not found") from None

    with pytest.raises(SabotError) as caught:
        look_up()
    assert describe_failure(caught.value) == "error: not found"


def test_the_traceback_has_its_causes() -> None:
    text = traceback_text(raised(SabotError("outer"), raised(KeyError("inner"))))
    assert "KeyError: 'inner'" in text
    assert "SabotError: outer" in text
