from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest

import sabot
from sabot.cli.main import COMMANDS, group, main
from sabot.runtime.exit_codes import ExitCode

ROOT = Path(__file__).resolve().parents[3]

HELP = """\
Usage: sabot [OPTIONS] COMMAND [ARGS]...

  Stream processing on Kafka: columnar pipelines and agents in supervised
  workers.

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit.

Commands:
  worker         Run an app or a module's outputs.
  run            Execute a script and run its outputs.
  broker         Host the embedded broker.
  send           Write a record to a topic.
  tail           Print a topic's records as they come.
  dlq            Look at dead letters, and send them back.
  reset-offsets  Set where a group reads on.
  explain        Print what a target would run.
  demo           Run the fraud example with a live table.

  The first five minutes: `sabot demo`, or `sabot broker` in one terminal and
  `sabot tail orders`, `sabot send orders '{"id": 1}'` in two others.
"""


def parts(command: click.Command) -> list[click.Command]:
    """Return a command, or those below it."""
    return list(command.commands.values()) if isinstance(command, click.Group) else [command]


def loaded_by(code: str) -> set[str]:
    """Return the modules a fresh interpreter has loaded after running this code."""
    code = f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_the_help_reads_like_this(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.OK
    assert capsys.readouterr().out == HELP


def test_nothing_asked_for_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == ExitCode.USAGE
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", ["'--help'", "'worker', '--help'", "'demo', '--help'"])
def test_the_help_loads_none_of_the_heavy_packages(arguments: str) -> None:
    loaded = loaded_by(f"from sabot.cli.main import main\nassert main([{arguments}]) == 0")
    heavy = {"pyarrow", "confluent_kafka", "structlog", "aiohttp", "jsonschema", "msgspec"}
    assert not loaded & heavy


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_can_come_from_the_environment_and_says_so(name: str) -> None:
    command: click.Command = import_module(f"sabot.cli.{name.replace('-', '_')}").command
    assert command.name == name
    for option in [option for part in parts(command) for option in part.params]:
        if isinstance(option, click.Option):
            assert str(option.envvar).startswith("SABOT_"), option.name
            assert option.show_envvar, option.name
            assert option.help, option.name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_show_the_traceback(name: str) -> None:
    command: click.Command = import_module(f"sabot.cli.{name.replace('-', '_')}").command
    for part in parts(command):
        assert "debug" in {option.name for option in part.params}


@pytest.mark.parametrize("name", ["worker", "run"])
def test_the_help_of_a_worker_lists_the_exit_codes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == ExitCode.OK
    text = capsys.readouterr().out
    for code in ExitCode:
        assert f"{code.value:>3}  {code.name}" in text


def test_a_slip_in_the_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wroker"]) == ExitCode.USAGE
    assert "no such command 'wroker'; did you mean 'worker'?" in capsys.readouterr().err


def test_a_missing_argument_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker"]) == ExitCode.USAGE
    assert "Missing argument 'TARGET'" in capsys.readouterr().err


def test_a_failure_is_words_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "no_such_module"]) == ExitCode.LOAD
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: cannot load 'no_such_module': there is no module ")
    assert "Traceback" not in said.err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "no_such_module", "--debug"]) == ExitCode.LOAD
    assert "Traceback" in capsys.readouterr().err


def test_debug_can_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SABOT_DEBUG", "1")
    assert main(["explain", "no_such_module"]) == ExitCode.LOAD
    assert "Traceback" in capsys.readouterr().err


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == f"sabot, version {project['version']}\n"
    assert sabot.__version__ == project["version"]


def test_an_interrupt_ends_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(group.commands, "x", click.Command("x", callback=interrupted))
    monkeypatch.setattr("sabot.cli.main.COMMANDS", ("x",))
    monkeypatch.setattr(type(group), "get_command", lambda self, ctx, name: self.commands[name])
    assert main(["x"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "stopped\n"
