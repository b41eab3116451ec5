"""The import name is taken on the package index, so no page may tell to install it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from sabot.errors import DISTRIBUTION

ROOT = Path(__file__).parents[2]
# The word behind `pip install` and its options, quotes left out.
INSTALLED = re.compile(r"pip3? install(?: -\S+| --\S+)* ['\"`]*(?P<name>[A-Za-z0-9_.{}-]+)")
# Other people's distributions that our pages may name.
OTHERS = {"uv"}


def pages() -> list[Path]:
    """Return every text file of the tree that is or may be tracked."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("the tree is not a git checkout")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    text = {".md", ".py", ".toml", ".yml", ".yaml", ".txt", ""}
    return [path for path in paths if path.suffix in text and path.is_file()]


def test_the_distribution_has_one_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION == "sabot-streams"


def test_nothing_tells_to_install_a_distribution_of_another_name() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in pages()
        for found in INSTALLED.finditer(path.read_text(encoding="utf-8"))
        if found["name"] not in {DISTRIBUTION, "{DISTRIBUTION}", ".", *OTHERS}
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pip " + "install 'sabot[avro]'", "sabot"),
        ("pip " + "install -U --quiet sabot", "sabot"),
        ("pip " + 'install "sabot-streams[all]"', "sabot-streams"),
        ("pip " + "install --editable '.[dev]'", "."),
    ],
)
def test_the_search_sees_the_ways_a_name_is_written(text: str, name: str) -> None:
    found = INSTALLED.search(text)
    assert found is not None
    assert found["name"] == name
