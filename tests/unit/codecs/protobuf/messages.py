"""Messages of every kind, compiled once."""

from __future__ import annotations

from functools import cache
from typing import Any

from sabot.codecs.protobuf.sources import class_of, file_of_text, message_named

PROTO3 = """
syntax = "proto3";
package shop;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/type/date.proto";

enum Color { RED = 0; GREEN = 1; BLUE = 5; BLACK = -1; }
message Part { int32 size = 1; string label = 2; repeated Color colors = 3; }
message Tree { string name = 1; repeated Tree children = 2; }
message Empty {}
message Far { int32 near = 1; int32 far = 500000000; }
message Flat { int64 id = 1; string text = 2; bool yes = 3; }
message All {
  double f64 = 1; float f32 = 2; int32 i32 = 3; int64 i64 = 4; uint32 u32 = 5; uint64 u64 = 6;
  sint32 s32 = 7; sint64 s64 = 8; fixed32 x32 = 9; fixed64 x64 = 10; sfixed32 sx32 = 11;
  sfixed64 sx64 = 12; bool yes = 13; string text = 14; bytes data = 15; Color color = 16;
  optional int32 maybe = 17; optional Color maybe_color = 18;
  Part part = 19; repeated Part parts = 20; repeated int64 numbers = 21;
  map<string, int64> counts = 22; map<int32, Part> by_size = 23;
  oneof choice { string by_name = 24; int32 by_number = 25; Part by_part = 26; }
  google.protobuf.Timestamp at = 27; google.protobuf.Duration took = 28;
  google.protobuf.Int64Value wrapped = 29; google.protobuf.StringValue wrapped_text = 30;
  google.protobuf.DoubleValue wrapped_double = 31;
  repeated google.protobuf.Timestamp times = 32; repeated google.protobuf.StringValue texts = 33;
  map<string, google.protobuf.Timestamp> last = 34; Tree tree = 35; google.type.Date day = 36;
  google.protobuf.Struct info = 37; google.protobuf.Value value = 38;
  google.protobuf.ListValue list = 39; google.protobuf.Any any = 40; Empty nothing = 41;
  repeated google.protobuf.Struct infos = 42; map<string, google.protobuf.Value> values = 43;
}
"""

PROTO2 = """
syntax = "proto2";
package old;
enum Kind { A = 1; B = 2; }
message Order {
  required int32 id = 1;
  optional string note = 2 [default = "none"];
  repeated int32 packed = 3 [packed = true];
  optional Kind kind = 4;
  extensions 100 to 200;
}
message Grouped { optional group Pair = 1 { optional int32 left = 2; } optional int32 other = 3; }
extend Order { optional string extra = 100; }
"""


@cache
def message(name: str, text: str = PROTO3) -> Any:
    """Return the class of a message."""
    file = file_of_text(text, {})
    return class_of(message_named([file], file.pool, name))


def full_message() -> Any:
    """Return a message with every field set."""
    made = message("All")()
    made.f64, made.f32, made.i32, made.i64 = -0.0, 1.5, -5, -(2**62)
    made.u32, made.u64, made.s32, made.s64 = 2**32 - 1, 2**64 - 1, -1, -2
    made.x32, made.x64, made.sx32, made.sx64 = 3, 4, -3, -4
    made.yes, made.text, made.data, made.color = True, "käse", b"\x00\xff", 5
    made.maybe, made.maybe_color, made.by_number = 0, 0, 0
    made.part.size = 1
    made.part.colors.extend([0, 5, -1])
    made.parts.add().label = "x"
    made.parts.add()
    made.numbers.extend([1, -2, 3])
    made.counts["a"] = 0
    made.by_size[4].size = 9
    made.at.seconds, made.at.nanos = -5, 7000
    made.took.seconds, made.took.nanos = -1, -5000
    made.wrapped.value = 0
    made.wrapped_text.value = ""
    made.wrapped_double.value = -0.0
    made.times.add().seconds = 4
    made.texts.add().value = ""
    made.texts.add().value = "t"
    made.last["a"].seconds = 1
    made.tree.children.add().children.add().name = "leaf"
    made.day.year = 2020
    made.info["a"] = [1, {"b": None}]
    made.value.string_value = "v"
    made.list.extend([1, True])
    made.any.Pack(message("Flat")(id=1))
    made.nothing.SetInParent()
    made.infos.add()["k"] = "v"
    made.values["v"].number_value = 2
    return made
