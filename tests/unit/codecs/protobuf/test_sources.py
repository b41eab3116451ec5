from __future__ import annotations

import base64
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from sabot.codecs import ProtobufCodec
from sabot.codecs.protobuf.sources import class_of, file_of_text, message_named, pool_of
from sabot.errors import CodecError
from tests.unit.codecs.protobuf.messages import message

PART = 'syntax = "proto3"; package p; message Part { int32 n = 1; }'
WHOLE = 'syntax = "proto3"; package p; import "dir/part.proto"; message Whole { Part part = 1; }'


def as_base64(file: Any) -> str:
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    return base64.b64encode(proto.SerializeToString()).decode()


def part() -> str:
    return as_base64(file_of_text(PART, {}))


def whole() -> str:
    return as_base64(file_of_text(WHOLE, {"dir/part.proto": PART}))


@pytest.mark.parametrize("own", [lambda: WHOLE, whole], ids=["text", "base64"])
@pytest.mark.parametrize("imported", [lambda: PART, part], ids=["text", "base64"])
def test_texts_and_descriptors_may_import_one_another(own: Any, imported: Any) -> None:
    file = file_of_text(own(), {"dir/part.proto": imported()})
    kind = class_of(file.message_types_by_name["Whole"])
    assert kind(part={"n": 1}).SerializeToString() == b"\n\x02\x08\x01"


def test_an_import_that_is_missing_is_named() -> None:
    with pytest.raises(CodecError, match=r"dir/part\.proto"):
        file_of_text(whole(), {})
    with pytest.raises(CodecError, match=r"dir/part\.proto"):
        file_of_text(WHOLE, {})


@pytest.mark.parametrize("name", ["../part.proto", "/tmp/part.proto", "-o.proto", "a\\b.proto"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(CodecError, match="no plain path"):
        file_of_text('syntax = "proto3"; message A {}', {name: PART})


def test_files_that_import_each_other_in_a_circle_are_refused() -> None:
    files = [
        descriptor_pb2.FileDescriptorProto(name="a.proto", dependency=["b.proto"]),
        descriptor_pb2.FileDescriptorProto(name="b.proto", dependency=["a.proto"]),
    ]
    with pytest.raises(CodecError, match="imports itself"):
        pool_of(files)


def test_what_is_neither_text_nor_a_descriptor_is_refused() -> None:
    with pytest.raises(CodecError, match=r"neither .proto text nor a descriptor"):
        file_of_text("AAAA", {})


def test_a_message_is_found_by_its_short_name_wherever_it_is_nested() -> None:
    file = file_of_text('syntax = "proto3"; package n; message A { message B {} }', {})
    assert message_named([file], file.pool, "B").full_name == "n.A.B"
    assert message_named([file], file.pool, None).full_name == "n.A"


def test_options_of_ones_own_and_names_of_googles_do_no_harm() -> None:
    text = """
    syntax = "proto2";
    package google.shop;
    import "google/protobuf/descriptor.proto";
    import "google/protobuf/struct.proto";
    extend google.protobuf.FieldOptions { optional string unit = 50000; }
    service S { rpc Get(Price) returns (Price); }
    message Price {
      optional double amount = 1 [default = 1.5, (unit) = "EUR"];
      optional google.protobuf.Struct info = 2;
      reserved 5;
    }
    """
    codec = ProtobufCodec(message_class=message("Price", text))
    values = [b"", message("Price", text)(amount=2, info={"a": 1}).SerializeToString()]
    columns = codec.decode(values).columns
    assert columns.to_pylist() == [
        {"amount": None, "info": None},
        {"amount": 2.0, "info": '{"a": 1.0}'},
    ]
    assert codec.encode(columns).values == values


def test_editions_say_for_each_field_whether_it_can_be_unset() -> None:
    text = """
    edition = "2023";
    import "google/protobuf/struct.proto";
    option features.field_presence = IMPLICIT;
    message E {
      int32 plain = 1;
      int32 told = 2 [features.field_presence = EXPLICIT];
      google.protobuf.Value value = 3;
      repeated int32 apart = 4 [features.repeated_field_encoding = EXPANDED];
    }
    """
    codec = ProtobufCodec(message_class=message("E", text))
    values = [b"", b"\x20\x01\x20\x02", b"\x10\x00\x1a\x02\x08\x00"]
    columns = codec.decode(values).columns
    assert columns.to_pylist() == [
        {"plain": 0, "told": None, "value": None, "apart": []},
        {"plain": 0, "told": None, "value": None, "apart": [1, 2]},
        {"plain": 0, "told": 0, "value": "null", "apart": []},
    ]
    assert codec.decode(codec.encode(columns).values).columns == columns
