"""``sabot worker``, ``run`` and ``explain`` in processes: from the command to its exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import ROOT, Command
from tests.broker import Kafka

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
from sabot import Stream
print("arguments", sys.argv[1:], __name__)
Stream.from_pylist([{"n": 1}, {"n": 2}]).filter(lambda b: b["n"] > 1).for_each(print)
"""


def sabot(*arguments: str, cwd: Path = ROOT, python: bool = False) -> Command:
    with Command(*arguments, cwd=cwd, python=python) as command:
        command.ends()
    return command


def test_run_executes_a_script_and_then_its_outputs(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = sabot("run", "script.py", "--limit", "5", cwd=tmp_path)
    assert done.code == ExitCode.OK, str(done)
    assert done.out == "arguments ['--limit', '5'] __main__\n{'n': 2}\n"
    assert "sabot 0.1.0, id 'script'" in done.err
    assert "└─ filter-1: <lambda> (script.py:5)" in done.err


def test_run_does_not_run_again_what_the_script_has_run(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT + "import sabot\nsabot.run()\n")
    done = sabot("run", "script.py", cwd=tmp_path)
    assert done.code == ExitCode.OK, str(done)
    assert done.out.count("{'n': 2}") == 1
    assert "nothing left to run: 1 output(s) ran already" in done.err


def test_a_script_that_never_runs_its_outputs_says_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = sabot("script.py", cwd=tmp_path, python=True)
    assert done.code == ExitCode.OK
    assert "1 output(s) were defined and never run (for_each-1)" in done.err
    assert "sabot run " in done.err


def test_a_loaded_script_says_nothing_at_its_exit(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    assert "never run" not in sabot("explain", "script.py", cwd=tmp_path).err


def test_a_script_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys\nsys.exit(7)\n")
    assert sabot("run", "script.py", cwd=tmp_path).code == 7


def test_run_of_a_module_points_to_worker(tmp_path: Path) -> None:
    done = sabot("run", "shop", cwd=tmp_path)
    assert done.code == ExitCode.LOAD
    assert done.err == (
        "error: sabot run executes a file, and 'shop' is none; for a module use: "
        "sabot worker shop\n"
    )


def test_a_worker_of_rows_in_memory_ends_with_them(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(SCRIPT)
    done = sabot("worker", "pipeline", "--log-format", "json", cwd=tmp_path)
    assert done.code == ExitCode.OK, str(done)
    assert "{'n': 2}" in done.out
    logged = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert "stopped" in {line["event"] for line in logged}


def test_a_target_that_fails_to_load_shows_its_line_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("limit = 0\nratio = 1 / limit\n")
    done = sabot("worker", "shop:app", cwd=tmp_path)
    assert done.code == ExitCode.LOAD
    assert done.err == (
        "error: cannot load 'shop:app': it raised ZeroDivisionError: division by zero\n"
        "  shop.py:2: ratio = 1 / limit\n"
    )


def test_a_step_that_fails_ends_the_worker_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(
        "from sabot import Stream\n"
        "def broken(row):\n"
        "    raise KeyError('price')\n"
        "Stream.from_pylist([{'n': 1}]).for_each(broken)\n"
    )
    done = sabot("worker", "pipeline", cwd=tmp_path)
    assert done.code == ExitCode.FAILED
    assert "error: " in done.err
    assert "KeyError: 'price'" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to send")
@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_a_worker_on_a_real_broker_drains_when_told_to(
    kafka: Kafka, tmp_path: Path, how: str
) -> None:
    source = kafka.create_topic(kafka.unique("orders"))
    sink = kafka.create_topic(kafka.unique("large"))
    kafka.produce(source, [{"n": number} for number in range(10)])
    (tmp_path / "shop.py").write_text(
        "import sabot\n"
        f"app = sabot.App({kafka.unique('shop')!r}, broker={kafka.bootstrap!r})\n"
        f"orders = app.stream({source!r}, auto_offset_reset='earliest')\n"
        f"orders.filter(lambda b: b['n'] > 4).to_kafka(app.broker, {sink!r})\n"
    )
    with Command("worker", "shop:app", cwd=tmp_path) as worker:
        worker.line(f"broker {kafka.bootstrap}")
        with Command(
            *("tail", sink, "--from-beginning", "--limit", "5", "--broker", kafka.bootstrap)
        ) as tail:
            assert tail.ends() == ExitCode.OK, f"{tail}{worker}"
        getattr(worker, how)()
        assert worker.ends() == ExitCode.OK, str(worker)
    assert sorted(line.split()[-1] for line in tail.out.splitlines()) == [
        "5}", "6}", "7}", "8}", "9}",
    ]  # fmt: skip


def test_explain_prints_the_plan_without_a_broker() -> None:
    done = sabot("explain", "examples/router.py")
    assert done.code == ExitCode.OK
    assert done.out.startswith("kafka 'orders' (json), group 'router'")
    assert "├─ only-eu: <lambda> (router.py:" in done.out
    assert "Traceback" not in done.err
