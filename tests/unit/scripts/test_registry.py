from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.registry import RegistryUnavailableError, fetch, missing

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX programs stand in")


def program(folder: Path, name: str, says: str, code: int = 0) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {code}\n")
    path.chmod(0o755)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SABOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_machine_without_java_is_told_so(tmp_path: Path) -> None:
    assert missing(str(tmp_path)) == "no Java on the PATH (17 or newer is needed)"


def test_a_java_that_is_too_old_is_refused(tmp_path: Path) -> None:
    program(tmp_path, "java", 'openjdk version "1.8.0_392"')
    assert missing(str(tmp_path)) == "Java 8 on the PATH, but 17 or newer is needed"


def test_maven_is_needed_only_to_fetch(tmp_path: Path, empty_cache: Path) -> None:
    program(tmp_path, "java", 'openjdk version "17.0.15" 2025-04-15')
    assert "no Maven" in (missing(str(tmp_path)) or "")
    (empty_cache / "apicurio-registry-2.6.13.Final").mkdir(parents=True)
    assert missing(str(tmp_path)) is None


def test_a_failed_fetch_says_what_maven_said_and_leaves_nothing(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "java", 'openjdk version "21" 2023-09-19')
    program(tmp_path, "mvn", "Could not transfer artifact", code=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RegistryUnavailableError, match="Could not transfer artifact"):
        fetch()
    assert list(empty_cache.iterdir()) == []
