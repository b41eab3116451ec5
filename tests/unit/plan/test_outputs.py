from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sabot.api.stream import OutputStream, Stream
from sabot.plan.outputs import Collection, collecting, current_collection


def orders() -> Stream:
    return Stream.from_kafka("localhost:1", "orders", "billing")


def write(topic: str = "out", stream: Stream | None = None) -> OutputStream:
    return (stream or orders()).to_kafka("localhost:1", topic)


@pytest.fixture
def interactive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process look like a session at a prompt."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)


def test_an_output_goes_into_the_collection_that_is_open() -> None:
    with collecting() as outer:
        first = write()
        with collecting() as inner:
            second = write()
        third = write()
        assert current_collection() is outer
    assert [o.node for o in outer.outputs] == [first.output.node, third.output.node]
    assert [o.node for o in inner.outputs] == [second.output.node]
    assert current_collection() is not outer


def test_an_output_knows_the_file_it_was_defined_in() -> None:
    with collecting():
        assert write().output.file == __file__
        assert orders().for_each(print).output.file == __file__


def test_what_has_started_no_longer_waits() -> None:
    with collecting() as collection:
        first, second = write("a"), write("b")
    first.output.started = True
    assert collection.waiting() == [second.output]


def test_in_a_file_equal_outputs_are_two() -> None:
    with collecting() as collection:
        write()
        write()
    assert len(collection.outputs) == 2


def test_at_a_prompt_an_output_defined_again_replaces_the_first(
    interactive: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with collecting() as collection:
        write()
        again = write(stream=orders().filter(lambda b: b["n"] > 1))
    assert collection.outputs == [again.output]
    assert capsys.readouterr().err == (
        "sabot: replaces the earlier output 'to_kafka:out' of this session\n"
    )


def test_at_a_prompt_outputs_with_another_source_or_sink_are_kept(
    interactive: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with collecting() as collection:
        write("a")
        write("b")
        write("a", Stream.from_kafka("localhost:1", "orders", "other"))
    assert len(collection.outputs) == 3
    assert capsys.readouterr().err == ""


def test_at_a_prompt_what_runs_already_is_not_replaced(interactive: None) -> None:
    with collecting() as collection:
        write().output.started = True
        write()
    assert len(collection.outputs) == 2


def test_a_collection_begins_empty() -> None:
    assert (Collection().outputs, Collection().apps, Collection().waiting()) == ([], [], [])


# --- the notice at the end of a script --------------------------------------------------

_DEFINE = """\
from sabot.api.stream import Stream

Stream.from_pylist([{"n": 1}]).for_each(lambda row: print(row["n"]))
"""


def run(folder: Path, script: str, *, name: str = "job.py", **files: str) -> Any:
    (folder / name).write_text(script)
    for module, text in files.items():
        (folder / f"{module}.py").write_text(text)
    return subprocess.run(
        [sys.executable, name],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(Path.cwd()), "PATH": ""},
    )


def test_a_script_that_runs_nothing_is_told_how_to(tmp_path: Path) -> None:
    done = run(tmp_path, _DEFINE)
    script = (tmp_path / "job.py").resolve()
    assert done.stderr == (
        f"sabot: 1 output(s) were defined and never run (for_each-1); run them with: "
        f"sabot run {script}  (or end the script with: sabot.run())\n"
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_a_script_that_runs_its_outputs_is_told_nothing(tmp_path: Path) -> None:
    script = _DEFINE.replace("Stream.from", "end = Stream.from") + "end.run()\n"
    done = run(tmp_path, script)
    assert done.stdout == "1\n"
    assert "never run" not in done.stderr


def test_a_script_that_fails_has_its_error_and_no_notice(tmp_path: Path) -> None:
    done = run(tmp_path, _DEFINE + "raise KeyError('oh')\n")
    assert done.returncode == 1
    assert "KeyError: 'oh'" in done.stderr
    assert "never run" not in done.stderr


def test_outputs_of_a_module_are_not_the_scripts_slip(tmp_path: Path) -> None:
    done = run(tmp_path, "import library\n", library=_DEFINE)
    assert (done.returncode, done.stderr) == (0, "")
