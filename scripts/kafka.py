"""A real Kafka broker for tests and benchmarks: one node, fetched by Maven, no Docker.

From a shell::

    python scripts/kafka.py run      # in the foreground, until Ctrl-C
    python scripts/kafka.py start    # in the background; prints the address
    python scripts/kafka.py stop     # what `start` started

From Python, `running` starts one on free ports with an empty log and stops it again; it
also goes away with a process that is killed. The jars are kept outside the tree, in
``$SABOT_CACHE``, else ``$XDG_CACHE_HOME/sabot``, else ``~/.cache/sabot``.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PASSWORD", "USER", "VERSION", "Broker", "KafkaUnavailableError", "missing", "running"]

VERSION = "4.3.1"
USER = "alice"
PASSWORD = "alice-secret"  # noqa: S105 - it guards an empty broker on the loopback

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sabot</groupId><artifactId>test-broker</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": (
        "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,PROXIED:PLAINTEXT"
    ),
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'user_{USER}="{PASSWORD}";'
    ),
    # Tests name their topics before use, so that a missing one is missed.
    "auto.create.topics.enable": "false",
    "num.partitions": "4",
    # One node holds everything.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # A killed member or transaction must be seen as gone within a test's patience.
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "300",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    # The default, 128 MB, would be a quarter of the heap it gets.
    "log.cleaner.dedupe.buffer.size": "8388608",
}

READY = "Kafka Server started"

# Waits for its stdin to close, which happens however the parent ends, then ends the broker.
GUARD = """
import os, shutil, signal, sys
sys.stdin.buffer.read()
try:
    os.kill(int(sys.argv[1]), signal.SIGKILL)
except ProcessLookupError:
    pass
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""


class KafkaUnavailableError(Exception):
    """No broker can be had on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker.

    Attributes:
        bootstrap: Its address without authentication.
        sasl_bootstrap: Its address for ``SASL_PLAINTEXT`` with ``PLAIN``; the only user
            is `USER` with `PASSWORD`.
        pid: The Java process.
        folder: Holds its settings, its data and what it printed (``broker.log``).
        behind_proxy: Where a proxy reaches it, whose port was named when it was started.
            Clients that come this way are sent to the proxy's port for all they do.
    """

    bootstrap: str
    sasl_bootstrap: str
    pid: int
    folder: Path
    behind_proxy: str | None = None


def cache() -> Path:
    """Return the folder, outside the tree, where downloads are kept."""
    named = os.environ.get("SABOT_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sabot"


def java_version(java: str) -> int | None:
    """Return the major version of a Java program, or ``None`` where it does not run."""
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found and done.returncode == 0 else None


def missing(path: str | None = None) -> str | None:
    """Say what this machine lacks to run a broker, or ``None`` if it lacks nothing.

    Args:
        path: Where to look for programs; ``PATH`` unless given.
    """
    if os.name != "posix":
        return "the test broker is run on Linux and macOS only"
    java = shutil.which("java", path=path)
    if java is None:
        return "no Java on the PATH (17 or newer is needed)"
    version = java_version(java)
    if version is None:
        return f"{java!r} does not run (Java 17 or newer is needed)"
    if version < 17:
        return f"Java {version} on the PATH, but 17 or newer is needed"
    if not jars().is_dir() and shutil.which("mvn", path=path) is None:
        return f"no Maven on the PATH to fetch Kafka {VERSION} with"
    return None


def jars() -> Path:
    """Return where this version's jars are, or will be."""
    return cache() / f"kafka-{VERSION}"


def fetch() -> Path:
    """Fetch the jars unless they are there, and return their folder.

    The folder appears complete or not at all, also if two processes fetch at once.

    Raises:
        KafkaUnavailableError: If Java or Maven is missing, or Maven fails.
    """
    lacking = missing()
    if lacking:
        raise KafkaUnavailableError(lacking)
    if jars().is_dir():
        return jars()
    cache().mkdir(parents=True, exist_ok=True)
    print(f"fetching Kafka {VERSION} into {jars()}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=cache(), prefix="fetch-") as name:
        folder = Path(name)
        (folder / "pom.xml").write_text(POM)
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[:5])
            raise KafkaUnavailableError(f"Maven could not fetch Kafka {VERSION}:\n{said}")
        # Whoever came first wins; the copies are the same.
        with contextlib.suppress(OSError):
            (folder / "libs").rename(jars())
    return jars()


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on now; somebody may take one before it is used."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def write_settings(
    folder: Path, ports: list[int], changes: Mapping[str, str], proxied_port: int | None = None
) -> Path:
    """Write ``server.properties`` and return its path.

    Args:
        folder: Where to.
        ports: Without authentication, with it, the controller's, the one behind the proxy.
        changes: Settings that differ from `SETTINGS`.
        proxied_port: The proxy's port; without one there is no listener for it.
    """
    plain, sasl, controller, behind = ports
    listeners = f"PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl}"
    advertised = listeners
    if proxied_port is not None:
        listeners += f",PROXIED://127.0.0.1:{behind}"
        advertised += f",PROXIED://127.0.0.1:{proxied_port}"
    settings = SETTINGS | {
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": advertised,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "log.dirs": str(folder / "data"),
    }
    lines = [f"{name}={value}\n" for name, value in (settings | dict(changes)).items()]
    path = folder / "server.properties"
    path.write_text("".join(lines))
    return path


def new_cluster_id() -> str:
    """Return an id for a cluster."""
    # The leading letter: an id that starts with "-" would be taken for an option.
    return "s" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def format_storage(libs: Path, settings: Path, cluster: str | None = None) -> None:
    """Prepare an empty data folder, of a cluster of its own unless one is named."""
    cluster = cluster or new_cluster_id()
    tool = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{libs}/*", "kafka.tools.StorageTool"]
    command = [*tool, "format", "-t", cluster, "-c", str(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[:3])
        raise KafkaUnavailableError(f"Kafka refused its settings:\n{said}")


def launch(libs: Path, settings: Path) -> subprocess.Popen[bytes]:
    """Start the broker's process; its output goes to ``broker.log`` beside the settings."""
    log = "-Dorg.slf4j.simpleLogger"
    command = ["java", "-Xms256m", "-Xmx512m", f"{log}.defaultLogLevel=warn"]
    command += [f"{log}.log.kafka.server.KafkaRaftServer=info", f"{log}.showDateTime=true"]
    command += ["-cp", f"{libs}/*", "kafka.Kafka", str(settings)]
    with (settings.parent / "broker.log").open("wb") as output:
        # Its own session: Ctrl-C is for the one who started it, and he stops it after
        # its clients.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def wait_ready(process: subprocess.Popen[bytes], log: Path, timeout: float) -> None:
    """Return once the broker serves clients.

    Raises:
        KafkaUnavailableError: If it ended, or took longer than ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while READY not in log.read_text():
        if process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
            continue
        tail = "\n".join(log.read_text().splitlines()[-20:])
        raise KafkaUnavailableError(f"Kafka did not start within {timeout:g} s:\n{tail}")


def start(changes: Mapping[str, str] | None = None, *, timeout: float = 60) -> Broker:
    """Start a broker that outlives this call, with an empty log, and wait until it serves.

    Args:
        changes: Broker settings that differ from `SETTINGS`, such as
            ``{"auto.create.topics.enable": "true"}``.
        timeout: Seconds until giving up.

    Raises:
        KafkaUnavailableError: If it cannot be had or does not start; the text says why.
    """
    return launch_on_free_ports(changes or {}, timeout)[0]


def launch_on_free_ports(
    changes: Mapping[str, str], timeout: float, proxied_port: int | None = None
) -> tuple[Broker, subprocess.Popen[bytes]]:
    """Start a broker; again where a port was taken in the meantime."""
    libs = fetch()
    for _ in range(2):
        try:
            return attempt(libs, changes, timeout, proxied_port)
        except KafkaUnavailableError as error:
            if "Address already in use" not in str(error):
                raise
    return attempt(libs, changes, timeout, proxied_port)


def attempt(
    libs: Path, changes: Mapping[str, str], timeout: float, proxied_port: int | None = None
) -> tuple[Broker, subprocess.Popen[bytes]]:
    """Start a broker on ports that are free now; leave nothing behind where it fails."""
    folder = Path(tempfile.mkdtemp(prefix="sabot-kafka-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        ports = free_ports(4)
        settings = write_settings(folder, ports, changes, proxied_port)
        format_storage(libs, settings)
        process = launch(libs, settings)
        wait_ready(process, folder / "broker.log", timeout)
    except BaseException:
        if process is not None:
            end(process)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    plain, sasl, _, behind = (f"127.0.0.1:{port}" for port in ports)
    behind_proxy = None if proxied_port is None else behind
    return Broker(plain, sasl, process.pid, folder, behind_proxy), process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a broker's process at once; nobody reads its data again."""
    process.kill()
    process.wait()


@contextlib.contextmanager
def running(
    changes: Mapping[str, str] | None = None,
    *,
    timeout: float = 60,
    proxied_port: int | None = None,
) -> Iterator[Broker]:
    """Have a broker for the length of a ``with`` block, or of this process.

    Takes what `start` takes and raises what it raises.

    Args:
        changes: Broker settings that differ from `SETTINGS`.
        timeout: Seconds until giving up.
        proxied_port: The port of a proxy that will stand before it, for its clients to
            keep to; see `Broker.behind_proxy`.
    """
    broker, process = launch_on_free_ports(changes or {}, timeout, proxied_port)
    guard = subprocess.Popen(
        [sys.executable, "-S", "-c", GUARD, str(broker.pid), str(broker.folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield broker
    finally:
        end(process)
        guard.communicate()


def state_file() -> Path:
    """Return where `start` on the command line notes what `stop` is to stop."""
    return cache() / "broker.json"


def noted() -> tuple[int, Path] | None:
    """Return pid and folder of the broker that `start` noted, if it still runs."""
    try:
        state = json.loads(state_file().read_text())
    except FileNotFoundError:
        return None
    # Pids come round again, so the number alone is not enough to kill by.
    command = ["ps", "-ww", "-o", "command=", "-p", str(state["pid"])]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return (state["pid"], Path(state["folder"])) if state["folder"] in shown else None


def command_start(changes: Mapping[str, str]) -> int:
    """Start a broker in the background and print its address."""
    if noted() is not None:
        print("a broker is running already: python scripts/kafka.py stop", file=sys.stderr)
        return 1
    broker = start(changes)
    state = {"pid": broker.pid, "folder": str(broker.folder)}
    state_file().write_text(json.dumps(state))
    print(f"SASL_PLAINTEXT at {broker.sasl_bootstrap}, log in {broker.folder}", file=sys.stderr)
    print(broker.bootstrap)
    return 0


def command_stop() -> int:
    """Stop what `command_start` started."""
    found = noted()
    if found is None:
        print("no broker is running", file=sys.stderr)
        return 1
    pid, folder = found
    os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    state_file().unlink()
    return 0


def command_run(changes: Mapping[str, str]) -> int:
    """Run a broker until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), running(changes) as broker:
        print(f"SASL_PLAINTEXT at {broker.sasl_bootstrap}; Ctrl-C stops it", file=sys.stderr)
        print(broker.bootstrap, flush=True)
        signal.pause()
    return 0


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(description="A Kafka broker for tests, on free ports.")
    parser.add_argument("command", choices=["run", "start", "stop"])
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="a broker setting"
    )
    options = parser.parse_args()
    changes = dict(each.split("=", 1) for each in options.set)
    try:
        if options.command == "start":
            return command_start(changes)
        return command_stop() if options.command == "stop" else command_run(changes)
    except KafkaUnavailableError as error:
        print(f"no Kafka: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
