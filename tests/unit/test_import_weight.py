"""Starting must be light: what is heavy is imported when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "confluent_kafka", "duckdb", "jsonschema", "numpy", "pyarrow")


def heavy_after(code: str) -> str:
    """Run code in a fresh interpreter and return the heavy modules it loaded."""
    program = f"import sys\n{code}\nprint(sorted(set({HEAVY!r}) & set(sys.modules)))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_importing_sabot_loads_nothing_heavy() -> None:
    assert heavy_after("import sabot") == "[]"


@pytest.mark.slow
def test_help_loads_nothing_heavy() -> None:
    code = (
        "sys.argv = ['sabot', '--help']\n"
        "from sabot.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code"
    )
    assert heavy_after(code) == "[]"
