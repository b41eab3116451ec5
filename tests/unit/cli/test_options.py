from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from sabot.cli.main import main
from sabot.cli.options import client_options
from sabot.errors import ConfigurationError
from sabot.runtime.exit_codes import ExitCode


def given(*arguments: str) -> dict[str, Any]:
    @click.command
    @client_options
    def command(properties: dict[str, Any]) -> dict[str, Any]:
        return properties

    found: dict[str, Any] = command.main(arguments, standalone_mode=False)
    return found


def test_without_any_there_are_no_properties() -> None:
    assert given() == {}


def test_a_value_is_all_behind_the_first_equals_sign_and_names_may_have_underscores() -> None:
    assert given("--config", "sasl_password=a=b c", "--config", "socket.timeout.ms=5000") == {
        "sasl.password": "a=b c",
        "socket.timeout.ms": "5000",
    }


def test_a_file_has_a_property_on_each_line_and_the_last_of_a_name_counts(tmp_path: Path) -> None:
    file = tmp_path / "login"
    file.write_text("# mine\n\n client.id = first \nclient.rack=a#b\n")
    config = ("--config", str(file), "--config", "client.id=second")
    assert given(*config) == {"client.id": "second", "client.rack": "a#b"}


def test_a_file_can_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "login"
    file.write_text("client.id=me\n")
    monkeypatch.setenv("SABOT_CONFIG", str(file))
    assert given() == {"client.id": "me"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("sasl.usrname=a", "did you mean 'sasl.username'"),
        ("fetch.min.bytes=1", "how to reach a cluster"),
        ("linger.ms=1", "a property of producers"),
        ("bootstrap.servers=a:1", "bootstrap.servers"),
        ("group.id=g", "group.id"),
        ("security.protocol=TLS", "not usable"),
    ],
)
def test_a_property_that_not_every_client_takes_is_refused(wrong: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        given("--config", wrong)


def test_a_line_that_is_no_property_is_refused_without_being_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "login"
    file.write_text("sasl.username=alice\nalice-secret\n")
    assert main(["tail", "t", "--config", str(file)]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "is not KEY=VALUE" in said
    assert "alice-secret" not in said


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tail", "t", "--config", "no-such-file"]) == ExitCode.USAGE
    assert "no-such-file" in capsys.readouterr().err
