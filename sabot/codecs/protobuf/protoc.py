"""``.proto`` text compiled to descriptors, by protobuf's own compiler.

It runs as a process of its own: a schema that brings it down brings nothing else down, and
what it says about a mistake can be read.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from sabot.codecs.protobuf.packages import package
from sabot.errors import CodecError

__all__ = ["ProtoSyntaxError", "compile_proto"]

_SECONDS = 60.0


class ProtoSyntaxError(CodecError):
    """A ``.proto`` text cannot be compiled."""


def compile_proto(name: str, texts: Mapping[str, str], ready: Any = None) -> list[Any]:
    """Return the file descriptors of a text and of all it imports, imports first.

    Args:
        name: Which of the texts is meant.
        texts: Each text by the name that imports use. What ships with protobuf and
            with ``googleapis-common-protos`` need not be among them.
        ready: A ``FileDescriptorSet`` of imports that are descriptors already.

    Raises:
        ProtoSyntaxError: If the compiler refuses it, with its words.
    """
    package("grpc_tools.protoc")
    descriptor_pb2 = package("google.protobuf.descriptor_pb2")
    with TemporaryDirectory(prefix="sabot-proto-") as folder:
        root = Path(folder)
        for each, text in texts.items():
            target = root / "in" / _checked(each)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        options = [f"-I{root / 'in'}", *(f"-I{path}" for path in _installed())]
        if ready is not None and ready.file:
            (root / "ready").write_bytes(ready.SerializeToString())
            options.append(f"--descriptor_set_in={root / 'ready'}")
        options += ["--include_imports", f"--descriptor_set_out={root / 'out'}", name]
        _run(options, f"{root / 'in'}/")
        found = descriptor_pb2.FileDescriptorSet.FromString((root / "out").read_bytes())
    return list(found.file)


def _run(arguments: list[str], folder: str) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - no shell; all names were checked
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise ProtoSyntaxError(
            f"the .proto schema is not compiled after {_SECONDS:.0f} seconds"
        ) from None
    if done.returncode:
        lines = done.stderr.replace(folder, "").splitlines()
        said = [line for line in lines if "warning:" not in line]
        raise ProtoSyntaxError(f"the .proto schema cannot be compiled: {'; '.join(said[:5])}")


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or name.startswith("-"):
        raise ProtoSyntaxError(f"a .proto schema is imported as {name!r}, which is no plain path")
    return name


def _installed() -> list[str]:
    """Return the folder that holds ``google/type/*.proto``, where it is installed."""
    try:
        spec = find_spec("google.type")
    except ModuleNotFoundError:
        return []
    places = spec.submodule_search_locations if spec else None
    return [str(Path(place).parents[1]) for place in places or ()]
