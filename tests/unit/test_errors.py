from __future__ import annotations

import inspect
import pickle
from pathlib import Path

import pytest

from sabot import errors
from sabot.errors import (
    DISTRIBUTION,
    BrokerError,
    ColumnNotFoundError,
    ConfigurationError,
    FunctionResultError,
    InternalError,
    MissingDependencyError,
    PlanError,
    ProcessingError,
    SabotError,
    nearest,
)

ROOT = Path(__file__).resolve().parents[2]
CLASSES = [
    getattr(errors, name) for name in errors.__all__ if inspect.isclass(getattr(errors, name))
]

SAMPLES: list[SabotError] = [
    ConfigurationError("no such option"),
    MissingDependencyError(package="fastavro", needed_by="codec 'avro'", extra="avro"),
    ColumnNotFoundError(column="prise", columns=["id", "price"], step="filter-1"),
    ProcessingError("failed", step="map-1", where="orders[3]@7", key=b"k"),
    FunctionResultError("a string", step="map-1"),
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_says_in_its_docstring_when_it_comes(kind: type) -> None:
    assert (kind.__doc__ or "").strip()


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_on_the_page_about_errors(kind: type) -> None:
    assert f"`{kind.__name__}`" in (ROOT / "docs/errors.md").read_text(encoding="utf-8")


def test_all_but_a_bug_have_one_root() -> None:
    assert {kind for kind in CLASSES if not issubclass(kind, SabotError)} == {InternalError}


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_to_another_process(error: SabotError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_messages_end_without_a_full_stop(error: SabotError) -> None:
    assert not str(error).endswith(".")


def test_only_what_time_may_mend_is_retriable() -> None:
    retriable = {kind.__name__ for kind in CLASSES if getattr(kind, "retriable", False)}
    unavailable = {kind.__name__ for kind in CLASSES if kind.__name__.endswith("UnavailableError")}
    assert "BrokerUnavailableError" in unavailable
    assert retriable == unavailable | {"CommitError", "MailboxFullError"}


def test_what_a_missing_package_takes_is_the_exact_command() -> None:
    error = SAMPLES[1]
    assert str(error) == f"codec 'avro' needs 'fastavro'; run: pip install '{DISTRIBUTION}[avro]'"
    assert isinstance(error, ImportError)


def test_a_missing_column_is_shown_with_those_there_are() -> None:
    assert str(SAMPLES[2]) == (
        "step 'filter-1' uses column 'prise', but its input has only 'id', 'price'; "
        "did you mean 'price'?"
    )
    assert str(ColumnNotFoundError(column="a", columns=[])) == (
        "there is no column 'a'; there are only no columns"
    )
    assert isinstance(SAMPLES[2], LookupError)


def test_errors_are_the_builtin_ones_too() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(FunctionResultError, TypeError)
    assert issubclass(errors.BrokerUnavailableError, ConnectionError)
    assert issubclass(errors.AppLoadError, ImportError)
    assert not issubclass(PlanError, BrokerError)


def test_only_a_name_that_is_near_is_suggested() -> None:
    assert nearest("linger", ["linger_ms", "acks"]) == "; did you mean 'linger_ms'?"
    assert nearest("zzz", ["linger_ms"]) == ""
    assert nearest("x", []) == ""
