"""docs/deployment.md: its manifests can be read, and their commands are ones Sabot takes."""

from __future__ import annotations

import configparser
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import click
import pytest
import yaml

from sabot.cli.main import group
from sabot.runtime.settings import WorkerSettings
from tests.acceptance.command import ROOT
from tests.docs.blocks import Block, fenced_blocks

PAGE = ROOT / "docs" / "deployment.md"
DRAIN = WorkerSettings().drain_timeout_seconds
SPARE = 5.0
"""What the page says a stop takes beyond the drain time-out."""


def manifest(kind: str) -> dict[str, Any]:
    for block in fenced_blocks(PAGE, "yaml"):
        read: dict[str, Any] = yaml.safe_load(block.code)
        if read.get("kind", "Compose") == kind:
            return read
    raise AssertionError(f"no {kind} in {PAGE.name}")


def unit() -> configparser.ConfigParser:
    (block,) = fenced_blocks(PAGE, "ini")
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(block.code)
    return parser


def commands() -> Iterator[tuple[str, Sequence[str], dict[str, str]]]:
    """Return each command of the page with its environment."""
    for kind in ("Deployment", "StatefulSet"):
        (container,) = manifest(kind)["spec"]["template"]["spec"]["containers"]
        environment = {each["name"]: each["value"] for each in container.get("env", ())}
        yield kind, [*container["command"], *container["args"]], environment
    service = manifest("Compose")["services"]["fraud"]
    yield "compose", service["command"], service["environment"]
    words = shlex.split(unit()["Service"]["ExecStart"])
    name, _, value = unit()["Service"]["Environment"].partition("=")
    yield "systemd", ["sabot", *words[1:]], {name: value}
    (block,) = fenced_blocks(PAGE, "dockerfile")
    last = block.code.strip().splitlines()[-1]
    yield "image", yaml.safe_load(last.removeprefix("CMD ")), {}


COMMANDS = list(commands())


@pytest.mark.parametrize(
    ("words", "environment"),
    [each[1:] for each in COMMANDS],
    ids=[each[0] for each in COMMANDS],
)
def test_each_command_is_one_that_sabot_takes(
    words: Sequence[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert all(isinstance(word, str) for word in words), "numbers in YAML need quotes"
    assert words[0] == "sabot"
    context = click.Context(group, info_name="sabot")
    command = group.get_command(context, words[1])
    assert command is not None
    command.make_context(words[1], list(words[2:]), parent=context)
    known = {
        variable
        for parameter in command.params
        for variable in [getattr(parameter, "envvar", None)]
        if variable
    }
    assert environment.keys() <= known


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_pod_has_the_time_that_a_stop_takes_and_probes_that_are_served(kind: str) -> None:
    spec = manifest(kind)["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] >= DRAIN + SPARE
    (container,) = spec["containers"]
    (port,) = container["ports"]
    arguments = container["args"]
    assert arguments[arguments.index("--web-port") + 1] == str(port["containerPort"])
    probes = {name: each["httpGet"] for name, each in container.items() if name.endswith("Probe")}
    assert probes["livenessProbe"] == {"path": "/health", "port": port["name"]}
    assert probes["readinessProbe"] == {"path": "/ready", "port": port["name"]}
    assert (
        manifest(kind)["spec"]["selector"]["matchLabels"]
        == (manifest(kind)["spec"]["template"]["metadata"]["labels"])
    )


def test_only_pods_that_keep_their_names_are_static_members() -> None:
    for kind, words, _ in COMMANDS:
        assert ("--static-membership" in words) == (kind == "StatefulSet"), kind


def test_what_a_pod_mounts_is_claimed_for_it() -> None:
    claimed = {
        each["metadata"]["name"] for each in manifest("StatefulSet")["spec"]["volumeClaimTemplates"]
    }
    (container,) = manifest("StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert {each["name"] for each in container["volumeMounts"]} == claimed


def test_state_is_where_the_volume_is_and_where_systemd_makes_room() -> None:
    folders = {
        kind: words[words.index("--state-dir") + 1]
        for kind, words, _ in COMMANDS
        if "--state-dir" in words
    }
    (container,) = manifest("StatefulSet")["spec"]["template"]["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    made = f"/var/lib/{unit()['Service']['StateDirectory']}"
    assert folders == {"StatefulSet": mount["mountPath"], "systemd": made}


def test_systemd_gives_a_stop_its_time_and_starts_again_only_where_that_helps() -> None:
    service = unit()["Service"]
    assert float(service["TimeoutStopSec"]) >= DRAIN + 2 * SPARE
    assert service["RestartPreventExitStatus"].split() == ["2", "3"]
    # The parent passes the signal on; one that all get would be the workers' second.
    assert service["KillMode"] == "mixed"


def test_compose_gives_a_stop_its_time() -> None:
    service = manifest("Compose")["services"]["fraud"]
    seconds = float(service["stop_grace_period"].removesuffix("s"))
    assert seconds >= float(service["environment"]["SABOT_DRAIN_TIMEOUT"]) + 2 * SPARE


def test_every_block_of_the_page_is_looked_at() -> None:
    kinds = ("yaml", "ini", "dockerfile", "console")
    blocks: list[Block] = [block for kind in kinds for block in fenced_blocks(PAGE, kind)]
    fences = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("```")
    ]
    assert len(blocks) == len(fences) / 2
