"""README and docs: their blocks run, their commands exist, their links lead somewhere.

The Python blocks of a page share their names, in order. A comment before a block says what
a broker holds and what must come of it; readers do not see it::

    <!-- test
    orders << {"id": 1}         written before the block is executed
    orders <- key: {"id": 2}    written once what the block defines has begun to read
    large-orders -> {"id": 2}   all that must be in that topic at the end
    printed -> some text        a line that must have been printed
    fails -> some text          the worker must end with this failure
    -->

A block marked ``file=NAME`` is a file; the page's ``console`` blocks marked ``run`` start
it and show what it prints.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest

from sabot.cli.main import COMMANDS, group
from sabot.kafka.embedded import stop_embedded
from sabot.plan.outputs import Collection, Output, collecting
from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import ROOT, Command
from tests.broker import Kafka
from tests.docs.blocks import Block, fenced_blocks, python_blocks
from tests.docs.running import addressed, clean, running, sources, targets
from tests.until import until

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_CODE = [page for page in PAGES if python_blocks(page)]
WITH_SESSION = [
    page for page in PAGES if any("run" in block.words for block in fenced_blocks(page, "console"))
]
LINE = re.compile(r"(?P<what>[\w.-]+) (?P<sign><<|<-|->) (?P<text>.+)")
KEYED = re.compile(r"(?P<key>\w+): (?P<value>.+)")
ENDLESS = ("broker", "run", "worker")
HOST = re.compile(r"(localhost|127\.0\.0\.1):9092")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@dataclass
class Trial:
    """What the comment before a block says."""

    before: list[tuple[str, bytes | None, bytes]] = field(default_factory=list)
    then: list[tuple[str, bytes | None, bytes]] = field(default_factory=list)
    arrives: dict[str, list[str]] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    fails: str | None = None

    @property
    def topics(self) -> set[str]:
        return {*self.arrives, *(topic for topic, _, _ in [*self.before, *self.then])}


def trial_of(block: Block) -> Trial:
    """Read the comment that ends right above a block's fence."""
    trial = Trial()
    lines = block.path.read_text(encoding="utf-8").splitlines()[: block.line - 2]
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines or lines[-1].strip() != "-->":
        return trial
    start = max(number for number, line in enumerate(lines) if line.startswith("<!--"))
    assert lines[start] == "<!-- test", f"{block}: {lines[start]!r}"
    for line in lines[start + 1 : -1]:
        found = LINE.fullmatch(line)
        assert found, f"{block}: {line!r} is not understood"
        what, sign, text = found["what"], found["sign"], found["text"]
        if sign != "->":
            keyed = KEYED.fullmatch(text)
            key, value = (keyed["key"], keyed["value"]) if keyed else (None, text)
            record = (what, key and key.encode(), value.encode())
            (trial.before if sign == "<<" else trial.then).append(record)
        elif what == "printed":
            trial.printed.append(text)
        elif what == "fails":
            trial.fails = text
        else:
            trial.arrives.setdefault(what, []).append(text)
    return trial


def write(kafka: Kafka, records: list[tuple[str, bytes | None, bytes]]) -> None:
    for topic, key, value in records:
        kafka.produce(topic, [value], keys=[key])


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_python_blocks_of_a_page_run(
    page: Path, pages_kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {"__name__": "page"}
    try:
        for block in python_blocks(page):
            if not any(word.startswith("file=") for word in block.words):
                assert not block.words, f"{block}: {block.words} mean nothing"
                run_block(block, pages_kafka, names)
    finally:
        stop_embedded()


def run_block(block: Block, kafka: Kafka, names: dict[str, Any]) -> None:
    trial = trial_of(block)
    clean(kafka, trial.topics, ())
    write(kafka, trial.before)
    code = block.compile(addressed(block.code, kafka.bootstrap))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        with collecting() as collection, warnings.catch_warnings():
            # An agent says that it is a thing of the past; that is tested elsewhere.
            warnings.filterwarnings("ignore", "agent '", DeprecationWarning)
            exec(code, names)
        outputs = collection.waiting()
        if outputs:
            run_outputs(block, kafka, collection, outputs, trial, printed)
    missing = [line for line in trial.printed if line not in printed.getvalue().splitlines()]
    assert not missing, f"{block} printed {printed.getvalue()!r}"


def run_outputs(
    block: Block,
    kafka: Kafka,
    collection: Collection,
    outputs: list[Output],
    trial: Trial,
    printed: io.StringIO,
) -> None:
    """Run what a block defined, and check what arrives."""
    assert trial.arrives or trial.printed or trial.fails, f"{block} does not say what arrives"
    read = {source.topic for source in sources(outputs)}
    ours = {topic for topic in (*read, *targets(outputs)) if topic not in trial.topics}
    clean(kafka, ours, [source.group_id for source in sources(outputs)])
    tasks = [task for app in collection.apps for task in app.tasks]
    actors = [actor for app in collection.apps for actor in app.declared_actors]
    with running(kafka, outputs, "page", tasks, actors) as run:
        write(kafka, trial.then)
        if trial.fails is not None:
            assert run.ends() != ExitCode.OK
            assert trial.fails in str(run.worker.failure), f"{block}: {run.worker.failure}"
            return
        until(lambda: enough(kafka, trial, printed) or run.has_ended, what=f"{block} to be done")
        assert run.has_ended or run.stop() == ExitCode.OK
        assert run.code == ExitCode.OK, f"{block}: {run.worker.failure}"
    for topic, wanted in trial.arrives.items():
        keyed = any(map(KEYED.fullmatch, wanted))
        found = [shown(each, keyed=keyed) for each in kafka.read_all(topic)]
        assert sorted(found) == sorted(wanted), block


def shown(message: Any, *, keyed: bool) -> str:
    value = str(message.value().decode())
    return f"{(message.key() or b'None').decode()}: {value}" if keyed else value


def enough(kafka: Kafka, trial: Trial, printed: io.StringIO) -> bool:
    lines = printed.getvalue().splitlines()
    return all(line in lines for line in trial.printed) and all(
        len(kafka.read_all(topic)) >= len(wanted) for topic, wanted in trial.arrives.items()
    )


# --- what the console shows -----------------------------------------------------------


@pytest.fixture
def address() -> str:
    """An address where the embedded broker of a page can listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_SESSION, ids=name_of)
def test_a_session_shows_what_the_commands_print(page: Path, tmp_path: Path, address: str) -> None:
    for block in python_blocks(page):
        for word in block.words:
            (tmp_path / word.removeprefix("file=")).write_text(addressed(block.code, address))
    environment = {"SABOT_BROKER": address, "SABOT_BROKER_PORT": address.rpartition(":")[2]}
    with contextlib.ExitStack() as stack:
        hosting: list[Command] = []
        for block in fenced_blocks(page, "console"):
            if "run" not in block.words:
                continue
            for line, expected in steps(block):
                arguments = shlex.split(line)[1:]
                command = Command(*arguments, cwd=tmp_path, environment=environment)
                stack.enter_context(command)
                for text in expected:
                    command.line(re.sub(HOST, address, text), timeout=60)
                if arguments[0] not in ENDLESS:
                    assert command.ends() == ExitCode.OK, f"{block}\n{command}"
                elif "ends" in block.words:
                    end(command)
                else:
                    hosting.append(command)
        for command in reversed(hosting):
            end(command)


def end(command: Command) -> None:
    """Do what Ctrl-C does to a command that has no end."""
    command.interrupt()
    assert command.ends() == ExitCode.OK, str(command)


def steps(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a console block with the lines shown below it."""
    parts = re.split(r"^\$ ", block.code, flags=re.MULTILINE)
    assert not parts[0].strip(), f"{block} does not begin with a command"
    for part in parts[1:]:
        command, *lines = part.splitlines()
        yield command, [line for line in lines if line.strip() not in ("", "...")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_of_a_page_exist_with_their_options(page: Path) -> None:
    for block in fenced_blocks(page, "console"):
        for line, _ in steps(block):
            words = shlex.split(line.partition(" | ")[0], comments=True)
            while re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words[0] != "sabot":
                continue
            name, *arguments = words[1:]
            command = group.get_command(click.Context(group), name)
            assert command is not None, f"{block}: no command {name!r}"
            with contextlib.suppress(click.exceptions.Exit):
                command.make_context(name, arguments)


def test_every_option_of_the_worker_is_on_the_page_about_running_it() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"`sabot {name}" in text, f"sabot {name}"
    for name in ("worker", "run"):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option):
                for word in (*option.opts, option.envvar):
                    assert word is None or f"`{word}" in text, f"sabot {name}: {word}"


def test_every_event_the_page_about_logs_names_is_logged() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    table = text.partition("| event | when |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {event for row in rows for event in re.findall(r"`([^`]+)`", row)}
    source = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "sabot").rglob("*.py"))
    assert named
    assert sorted(event for event in named if f'"{event}' not in source) == []


# --- links ----------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Return the names that headings of a page can be linked by."""
    found = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in found]
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for found in LINK.finditer(page.read_text(encoding="utf-8")):
        target, _, anchor = found["target"].partition("#")
        if re.match(r"\w+:", target):
            continue
        other = (page.parent / target).resolve() if target else page
        assert other.exists(), f"{name_of(page)} links to {found['target']!r}"
        if anchor and other.suffix == ".md":
            assert anchor in anchors(other), f"{name_of(page)} links to {found['target']!r}"


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in folder.glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:benchmarks|docs|examples|sabot|scripts|tests)/[\w./-]*)`",
        page.read_text(encoding="utf-8"),
    )
    assert [path for path in named if not (ROOT / path).exists()] == []
