"""The descriptors of the wire form: protobuf's own types as what they are made of.

A decoder that works by these descriptors treats nothing specially: no well-known type, no
default, no JSON. The bytes they describe are the same.
"""

from __future__ import annotations

from typing import Any

from sabot.codecs.protobuf.packages import package
from sabot.codecs.protobuf.sources import pool_of

__all__ = ["plain_descriptor"]

_KNOWN = "google"
_RENAMED = "plain.google"
_JSON = {f".{_RENAMED}.protobuf.{name}" for name in ("Struct", "Value", "ListValue")}


def plain_descriptor(descriptor: Any) -> Any:
    """Return the descriptor of a message's wire form."""
    files: dict[str, Any] = {}
    _collect(descriptor.file, files)
    for file in files.values():
        _rewrite_file(file)
    pool = pool_of(files.values())
    return pool.FindMessageTypeByName(_renamed(descriptor.full_name))


def _collect(file: Any, files: dict[str, Any]) -> None:
    for each in file.dependencies:
        if f"plain/{each.name}" not in files:
            _collect(each, files)
    proto = package("google.protobuf.descriptor_pb2").FileDescriptorProto()
    file.CopyToProto(proto)
    # Other names, lest something is known by them.
    proto.name = f"plain/{proto.name}"
    for number, name in enumerate(proto.dependency):
        proto.dependency[number] = f"plain/{name}"
    files[proto.name] = proto


def _renamed(name: str) -> str:
    within = name == _KNOWN or name.startswith(f"{_KNOWN}.")
    return _RENAMED + name[len(_KNOWN) :] if within else name


def _rewrite_file(file: Any) -> None:
    file.package = _renamed(file.package)
    _keep_options(file, "features")
    del file.service[:]
    del file.extension[:]
    for message in file.message_type:
        _rewrite_message(message, file)
    for enum in file.enum_type:
        _rewrite_enum(enum)


def _rewrite_message(message: Any, file: Any) -> None:
    _keep_options(message, "map_entry", "features")
    del message.extension[:]
    # Extensions are fields nobody knows: skipped, as all of those.
    del message.extension_range[:]
    for oneof in message.oneof_decl:
        _keep_options(oneof, "features")
    for each in message.field:
        if _rewrite_field(each) and not message.options.map_entry:
            _keep_presence(each, message, file)
    for enum in message.enum_type:
        _rewrite_enum(enum)
    for nested in message.nested_type:
        _rewrite_message(nested, file)


def _rewrite_field(each: Any) -> bool:
    """Rewrite a field; return whether it was a message and is none now."""
    _keep_options(each, "packed", "features")
    each.ClearField("default_value")
    if each.type_name:
        each.type_name = "." + _renamed(each.type_name[1:])
    if each.type == each.TYPE_DOUBLE:
        each.type = each.TYPE_FIXED64
    elif each.type == each.TYPE_FLOAT:
        each.type = each.TYPE_FIXED32
    elif each.type_name in _JSON:
        each.type = each.TYPE_BYTES
        each.ClearField("type_name")
        return True
    return False


def _keep_presence(each: Any, message: Any, file: Any) -> None:
    """Let a field that was a message be told from one that is not set, as before."""
    if each.label == each.LABEL_REPEATED or each.HasField("oneof_index"):
        return
    if file.syntax == "proto3":
        each.oneof_index = len(message.oneof_decl)
        each.proto3_optional = True
        message.oneof_decl.add(name=f"_presence_of_{each.name}")
    elif file.HasField("edition"):
        each.options.features.field_presence = each.options.features.EXPLICIT


def _rewrite_enum(enum: Any) -> None:
    _keep_options(enum, "allow_alias", "features")
    for value in enum.value:
        value.ClearField("options")


def _keep_options(proto: Any, *names: str) -> None:
    if not proto.HasField("options"):
        return
    kept = type(proto.options)()
    for name in names:
        if name in kept.DESCRIPTOR.fields_by_name and proto.options.HasField(name):
            if name == "features":
                kept.features.CopyFrom(proto.options.features)
            else:
                setattr(kept, name, getattr(proto.options, name))
    proto.ClearField("options")
    if kept.ByteSize():
        proto.options.CopyFrom(kept)
