"""A real schema registry for tests: Apicurio, fetched by Maven, no Docker.

From a shell::

    python -m scripts.registry    # in the foreground, until Ctrl-C; prints the address

From Python, `running` starts one on a free port, empty and in memory, and stops it again;
it also goes away with a process that is killed. It speaks the API that Confluent's own
clients speak, and is kept where `scripts.kafka` keeps the broker's jars.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.kafka import GUARD, cache, end, free_ports, java_version

__all__ = ["VERSION", "Registry", "RegistryUnavailableError", "missing", "running"]

VERSION = "2.6.13.Final"

ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"


class RegistryUnavailableError(Exception):
    """No registry can be had on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry.

    Attributes:
        url: Its address, for ``schema_registry_url``.
        pid: The Java process.
        folder: Holds what it printed (``registry.log``).
    """

    url: str
    pid: int
    folder: Path


def missing(path: str | None = None) -> str | None:
    """Say what this machine lacks to run a registry, or ``None`` if it lacks nothing.

    Args:
        path: Where to look for programs; ``PATH`` unless given.
    """
    if os.name != "posix":
        return "the test registry is run on Linux and macOS only"
    java = shutil.which("java", path=path)
    if java is None:
        return "no Java on the PATH (17 or newer is needed)"
    version = java_version(java)
    if version is None or version < 17:
        return f"Java {version or 'unknown'} on the PATH, but 17 or newer is needed"
    if not program_folder().is_dir() and shutil.which("mvn", path=path) is None:
        return f"no Maven on the PATH to fetch Apicurio Registry {VERSION} with"
    return None


def program_folder() -> Path:
    """Return where this version's program is, or will be."""
    return cache() / f"apicurio-registry-{VERSION}"


def fetch() -> Path:
    """Fetch the program (142 MB) unless it is there, and return its folder.

    The folder appears complete or not at all, also if two processes fetch at once.

    Raises:
        RegistryUnavailableError: If Java or Maven is missing, or Maven fails.
    """
    lacking = missing()
    if lacking:
        raise RegistryUnavailableError(lacking)
    if program_folder().is_dir():
        return program_folder()
    cache().mkdir(parents=True, exist_ok=True)
    print(f"fetching Apicurio Registry {VERSION} into {program_folder()}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=cache(), prefix="fetch-") as name:
        folder = Path(name)
        # Copied by its name alone: as a dependency of a project it would bring all of its
        # own, which are inside the archive already.
        command = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}"]
        command += [f"-DoutputDirectory={folder / 'archive'}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        archives = list((folder / "archive").glob("*.tar.gz"))
        if done.returncode or not archives:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[:5])
            raise RegistryUnavailableError(f"Maven could not fetch Apicurio Registry:\n{said}")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder / "program", filter="data")
        # Whoever came first wins; the copies are the same.
        with contextlib.suppress(OSError):
            (folder / "program").rename(program_folder())
    return program_folder()


def launch(program: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the registry's process; its output goes to ``registry.log`` in the folder."""
    command = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1"]
    command += ["-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}", "-jar"]
    command += [f"{program}/apicurio-registry-app-{VERSION}-runner.jar"]
    with (folder / "registry.log").open("wb") as output:
        # Its own session: Ctrl-C is for the one who started it.
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def answers(url: str) -> bool:
    """Say whether the registry serves clients."""
    try:
        with urllib.request.urlopen(f"{url}/subjects", timeout=2) as response:  # noqa: S310
            return bool(response.status == 200)
    except OSError:
        return False


def wait_ready(process: subprocess.Popen[bytes], registry: Registry, timeout: float) -> None:
    """Return once the registry serves clients.

    Raises:
        RegistryUnavailableError: If it ended, or took longer than ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while not answers(registry.url):
        if process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
            continue
        log = (registry.folder / "registry.log").read_text(errors="replace")
        tail = "\n".join(log.splitlines()[-20:])
        raise RegistryUnavailableError(f"no registry within {timeout:g} s:\n{tail}")


@contextlib.contextmanager
def running(*, port: int | None = None, timeout: float = 60) -> Iterator[Registry]:
    """Have an empty registry for the length of a ``with`` block, or of this process.

    Args:
        port: Where it listens; a free port unless given.
        timeout: Seconds until giving up.

    Raises:
        RegistryUnavailableError: If it cannot be had or does not start; the text says why.
    """
    program = fetch()
    folder = Path(tempfile.mkdtemp(prefix="sabot-registry-"))
    port = port or free_ports(1)[0]
    process = launch(program, folder, port)
    registry = Registry(f"http://127.0.0.1:{port}/apis/ccompat/v7", process.pid, folder)
    guard = subprocess.Popen(
        [sys.executable, "-S", "-c", GUARD, str(process.pid), str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait_ready(process, registry, timeout)
        yield registry
    finally:
        end(process)
        guard.communicate()


def main() -> int:
    """Run a registry until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt), running() as registry:
            print(registry.url, flush=True)
            signal.pause()
    except RegistryUnavailableError as error:
        print(f"no schema registry: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
