"""Where a message's descriptor comes from: a class, a descriptor set, text, a registry."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sabot.codecs.protobuf.packages import package
from sabot.codecs.protobuf.protoc import compile_proto
from sabot.errors import CodecError, nearest

__all__ = ["class_of", "file_named", "file_of_text", "files_of_set", "message_named", "pool_of"]

_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
_SHIPPED = "google/"


def files_of_set(given: bytes | str | Path) -> list[Any]:
    """Return the files of a serialized ``FileDescriptorSet``, given as bytes or a path.

    Raises:
        CodecError: If it is none, or cannot be read.
    """
    descriptor_pb2 = package("google.protobuf.descriptor_pb2")
    message = package("google.protobuf.message")
    try:
        data = given if isinstance(given, bytes) else Path(given).read_bytes()
        found = descriptor_pb2.FileDescriptorSet.FromString(data)
    except OSError as error:
        raise CodecError(f"the descriptor set {str(given)!r} cannot be read: {error}") from error
    except message.DecodeError as error:
        raise CodecError(f"the descriptor set is none: {error}") from error
    if not found.file:
        raise CodecError("the descriptor set holds no files")
    return list(found.file)


def file_of_text(text: str, imports: Mapping[str, str], name: str = "") -> Any:
    """Return the file descriptor that a schema's text stands for.

    Args:
        text: ``.proto`` text, or a ``FileDescriptorProto`` in base64.
        imports: What it imports, as either, by the names it uses; imports first.
        name: The name for text that has none of its own.

    Raises:
        CodecError: If it cannot be compiled, or an import is missing.
    """
    ready = {each: _parsed(source) for each, source in imports.items()}
    for each, file in ready.items():
        if file is not None:
            file.name = each
    own = _parsed(text)
    if own is not None:
        name = own.name = own.name or name or "schema.proto"
    else:
        name = name or _free_name(imports)
    texts = {each: source for each, source in imports.items() if ready[each] is None}
    if own is None:
        texts[name] = text
    known = [file for file in ready.values() if file is not None]
    compiled: list[Any] = []
    for each in texts:
        complete = package("google.protobuf.descriptor_pb2").FileDescriptorSet(
            file=_with_shipped(known) if known else []
        )
        compiled += compile_proto(each, texts, complete)
    files = [*known, *compiled, *([] if own is None else [own])]
    return file_named(pool_of(files), name)


def pool_of(files: Iterable[Any]) -> Any:
    """Return a pool of these files and of what ships with protobuf that they import.

    Raises:
        CodecError: If an import is missing, or a file contradicts another one.
    """
    pool = package("google.protobuf.descriptor_pool").DescriptorPool()
    for file in _with_shipped(files):
        try:
            pool.AddSerializedFile(file.SerializeToString())
        except TypeError as error:
            raise CodecError(f"the protobuf file {file.name!r} cannot be used: {error}") from error
    return pool


def file_named(pool: Any, name: str) -> Any:
    """Return a file of a pool by its name."""
    return pool.FindFileByName(name)


def message_named(files: Iterable[Any], pool: Any, name: str | None) -> Any:
    """Return a message by its full or its short name, or the only one there is.

    Args:
        files: The files to look in.
        pool: The pool they are in.
        name: The message's name; may be left out where the files have one message.

    Raises:
        CodecError: If there is no such message, or several could be meant.
    """
    found = [
        descriptor
        for file in files
        for descriptor in _messages(pool.FindFileByName(file.name).message_types_by_name.values())
    ]
    names = [descriptor.full_name for descriptor in found]
    if name is None:
        outer = [descriptor for descriptor in found if descriptor.containing_type is None]
        if len(outer) == 1:
            return outer[0]
        raise CodecError(f"the schema has the messages {names!r}; choose one by 'message'")
    for descriptor in found:
        if name in (descriptor.full_name, descriptor.name):
            return descriptor
    raise CodecError(f"the schema has no message {name!r}, only {names!r}{nearest(name, names)}")


def class_of(descriptor: Any) -> Any:
    """Return the class of a message."""
    return package("google.protobuf.message_factory").GetMessageClass(descriptor)


def _messages(descriptors: Iterable[Any]) -> Iterable[Any]:
    for descriptor in descriptors:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
            yield from _messages(descriptor.nested_types)


def _parsed(text: str) -> Any:
    """Return the descriptor that base64 text holds, ``None`` for other text."""
    if not _BASE64.fullmatch(text):
        return None
    descriptor_pb2 = package("google.protobuf.descriptor_pb2")
    message = package("google.protobuf.message")
    try:
        return descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text))
    except (binascii.Error, message.DecodeError) as error:
        raise CodecError(f"the schema is neither .proto text nor a descriptor: {error}") from error


def _free_name(taken: Iterable[str]) -> str:
    names = set(taken)
    name = "schema.proto"
    while name in names:
        name = f"_{name}"
    return name


def _with_shipped(files: Iterable[Any]) -> list[Any]:
    """Return each file once, after those it imports, with the shipped ones it needs."""
    given = {file.name: file for file in files}
    ordered: dict[str, Any] = {}
    waiting: set[str] = set()

    def add(name: str, importer: str) -> None:
        if name in ordered:
            return
        if name in waiting:
            raise CodecError(f"the protobuf file {name!r} imports itself")
        waiting.add(name)
        file = given.get(name) or _shipped(name, importer)
        for each in file.dependency:
            add(each, name)
        ordered[name] = file

    for name in given:
        add(name, "the schema")
    return list(ordered.values())


def _shipped(name: str, importer: str) -> Any:
    missing = CodecError(f"{importer!r} imports {name!r}, which is not among the schema's files")
    if not name.startswith(_SHIPPED) or not re.fullmatch(r"[\w/]+\.proto", name):
        raise missing
    module = name.removesuffix(".proto").replace("/", ".") + "_pb2"
    try:
        descriptor = package(module).DESCRIPTOR
    except ImportError:
        raise missing from None
    file = package("google.protobuf.descriptor_pb2").FileDescriptorProto()
    descriptor.CopyToProto(file)
    return file
