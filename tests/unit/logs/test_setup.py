from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from sabot.errors import ConfigurationError
from sabot.logs import configure_logs, get_logger


@pytest.fixture(autouse=True)
def _settings_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_json_has_one_object_a_line_whoever_logs(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    get_logger("sabot.a").info("batch done", rows=3, topic="orders")
    logging.getLogger("sabot.b").warning("actor %r failed", "x", extra={"actor": "x"})
    structlog.get_logger("user").error("mine", why="because")

    first, second, third = lines(capsys)
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "batch done", "rows": 3, "topic": "orders", "level": "info", "logger": "sabot.a",
    }  # fmt: skip
    assert (second["event"], second["actor"], second["level"]) == (
        "actor 'x' failed", "x", "warning",
    )  # fmt: skip
    assert (third["event"], third["why"], third["logger"]) == ("mine", "because", "user")


def test_one_worker_of_several_puts_its_number_on_every_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("json", worker=2)
    get_logger("sabot").info("hello")
    logging.getLogger("somebody.else").warning("hello too")

    assert [line["worker"] for line in lines(capsys)] == [2, 2]


def test_auto_is_json_where_nobody_reads_along(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    get_logger("sabot").info("hello")

    assert lines(capsys)[0]["event"] == "hello"


def test_auto_is_readable_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure_logs()
    get_logger("sabot").info("batch done", rows=3)

    line = capsys.readouterr().err
    assert "batch done" in line
    assert "rows=3" in line
    assert "\x1b" not in line


def test_configuring_twice_replaces_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("console", "error")
    logger = get_logger("sabot")
    logger.info("hidden")
    configure_logs("json", "debug")
    logger.debug("shown")

    assert [line["event"] for line in lines(capsys)] == ["shown"]


def test_handlers_of_others_stay() -> None:
    theirs = logging.NullHandler()
    logging.getLogger().addHandler(theirs)
    configure_logs("json")
    configure_logs("json")

    assert theirs in logging.getLogger().handlers


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_shows_lines_and_no_values(
    capsys: pytest.CaptureFixture[str], style: Any
) -> None:
    configure_logs(style)
    password = "hunter" + "2"
    try:
        raise ValueError(f"not {len(password)} letters")
    except ValueError:
        get_logger("sabot").exception("failed")
        logging.getLogger("sabot").exception("failed too")

    text = capsys.readouterr().err
    assert text.count("ValueError: not 7 letters") == 2
    assert "hunter2" not in text


def test_fields_named_like_those_of_log_records_are_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("json")
    get_logger("sabot").info("100% done", name="orders", args=(1, 2))

    line = lines(capsys)[0]
    assert (line["event"], line["name_"], line["args_"]) == ("100% done", "orders", [1, 2])


def test_without_any_setup_records_reach_the_hosts_handlers(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        get_logger("sabot").info("rows %d", 3, topic="orders")

    assert caplog.messages == ["rows 3"]
    assert caplog.records[0].topic == "orders"  # type: ignore[attr-defined]
    assert capsys.readouterr().out == ""


def test_wrong_settings_are_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'json'"):
        configure_logs("jsno")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="did you mean 'warning'"):
        configure_logs(level="warnign")


def test_importing_the_room_does_not_import_structlog() -> None:
    code = "import sabot.logs, sys; sys.exit('structlog' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
