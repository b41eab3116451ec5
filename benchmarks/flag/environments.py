"""An environment per contender, built once and kept outside the tree."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.flag.contenders import Contender

__all__ = ["cache_folder", "describe", "interpreter"]

_COMPLETE = ".complete"

_DESCRIBE = """
import importlib.metadata as metadata, importlib.util as util, json, platform, sys
versions = {}
for name in sys.argv[1:]:
    try:
        versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        versions[name] = None
try:
    from confluent_kafka import libversion
    versions["librdkafka"] = libversion()[0]
except ImportError:
    pass
print(json.dumps({"python": platform.python_version(), "versions": versions,
                  "pandas": util.find_spec("pandas") is not None}))
"""


def cache_folder() -> Path:
    """Return the folder for what is built once: ``SABOT_CACHE``, else the user's cache."""
    named = os.environ.get("SABOT_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "sabot"


def interpreter(contender: Contender) -> Path:
    """Return the contender's Python, building its environment if it is not there yet.

    The folder's name holds a digest of the requirements, so changed pins give a new
    environment. One whose installation was cut short is built again.

    Raises:
        subprocess.CalledProcessError: When pip cannot install the requirements.
    """
    if contender.requirements is None:
        return Path(sys.executable)
    pins = contender.requirements.read_bytes()
    digest = hashlib.sha256(pins).hexdigest()[:12]
    tag = f"{contender.name}-py{sys.version_info[0]}.{sys.version_info[1]}-{digest}"
    folder = cache_folder() / "benchmarks" / "flag" / tag
    python = folder / "bin" / "python"
    if not (folder / _COMPLETE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"building the environment of {contender.name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet"]
        command += ["--disable-pip-version-check", "-r", str(contender.requirements)]
        subprocess.run(command, check=True)
        (folder / _COMPLETE).touch()
    return python


def describe(contender: Contender) -> dict[str, Any]:
    """Return Python's version, the named distributions' versions, and whether pandas is there.

    pandas matters to a program that uses pyarrow: without it each untyped literal pays
    for a failing import.
    """
    command = [str(interpreter(contender)), "-c", _DESCRIBE, *contender.shown]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    described: dict[str, Any] = json.loads(done.stdout)
    return described
