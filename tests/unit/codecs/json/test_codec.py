from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs import Decoded, JsonCodec
from sabot.errors import ConfigurationError, DecodeError


def rows(*values: bytes | None, codec: JsonCodec | None = None) -> list[dict[str, Any]]:
    decoded = (codec or JsonCodec()).decode(values)
    assert not decoded.failures
    assert decoded.columns.num_rows == len(values)
    decoded.columns.validate(full=True)
    return list(decoded.columns.to_pylist())


def failure(value: bytes, codec: JsonCodec | None = None) -> str:
    decoded = (codec or JsonCodec()).decode([value])
    assert decoded.columns.num_rows == 0
    [only] = decoded.failures
    assert only.index == 0
    assert type(only.error) is DecodeError
    return str(only.error)


def indices(decoded: Decoded) -> list[int]:
    return [one.index for one in decoded.failures]


@pytest.mark.parametrize(
    "text", ["2024-01-01", "2024-01-01T00:00:00Z", "12:30", "true", "1", "", "null", "ünï😀"]
)
def test_text_stays_text(text: str) -> None:
    assert rows(json.dumps({"a": text}).encode()) == [{"a": text}]
    assert rows(json.dumps({"a": text}, ensure_ascii=False).encode()) == [{"a": text}]


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_integers_of_64_bits_are_exact(number: int) -> None:
    assert rows(b'{"a":%d}' % number) == [{"a": number}]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_integers_beyond_64_bits_are_refused_whether_or_not_the_column_is_known(
    number: int,
) -> None:
    known = JsonCodec()
    known.decode([b'{"a":1}'])
    for codec in (JsonCodec(), known):
        assert "beyond 64 bits" in failure(b'{"a":%d}' % number, codec)
    assert "beyond 64 bits" in failure(b'{"b":[{"c":%d}]}' % number)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.uint64(), 2**63),
        (pa.decimal128(38, 0), 2**63),
        (pa.string(), str(2**63)),
        (pa.float64(), float(2**63)),
    ],
)
def test_a_pinned_type_that_holds_large_integers_takes_them(
    kind: pa.DataType, expected: Any
) -> None:
    codec = JsonCodec(schema=pa.schema([("a", kind)]))
    assert rows(b'{"a":%d}' % 2**63, codec=codec) == [{"a": expected}]


@pytest.mark.parametrize("token", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
def test_numbers_that_json_or_a_double_does_not_know_are_refused(token: bytes) -> None:
    assert failure(b'{"a":%s}' % token)
    assert JsonCodec().decode_rows([token]).failures


def test_objects_become_structs_and_lists_become_lists() -> None:
    value = {"a": {"b": {"c": 1}, "e": {}}, "d": [1, None, 2], "f": [], "g": [[{"h": "x"}], None]}
    codec = JsonCodec()
    assert rows(json.dumps(value).encode(), codec=codec) == [value]
    assert str(codec.schema.field("g").type) == "list<item: list<item: struct<h: string>>>"
    assert codec.schema.field("f").type == pa.list_(pa.null())


@pytest.mark.parametrize(
    "value",
    [
        rb'{"a":"\ud800"}',
        rb'{"a":"\udc00\ud800"}',
        rb'{"\ud800":1}',
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\x80"}',
    ],
)
def test_lone_surrogates_and_invalid_utf_8_are_refused(value: bytes) -> None:
    known = JsonCodec()
    known.decode([b'{"a":"x"}'])
    assert failure(value)
    assert failure(value, known)


def test_a_surrogate_pair_in_escapes_is_one_character() -> None:
    assert rows(rb'{"a":"\ud83d\ude00"}') == [{"a": "\U0001f600"}]


def test_line_breaks_stand_between_tokens_and_escaped_in_text() -> None:
    value = {"a": "x\ny\r\u2028", "b": [1, 2]}
    assert rows(json.dumps(value, indent=2).encode() + b"\r\n") == [value]


def test_the_last_of_duplicate_keys_wins_even_if_the_first_has_another_type() -> None:
    codec = JsonCodec()
    assert rows(b'{"a":1,"a":2}', b'{"a":"x","a":3}', codec=codec) == [{"a": 2}, {"a": 3}]
    assert rows(b'{"a":"x","a":3}', codec=JsonCodec(schema=codec.schema)) == [{"a": 3}]
    assert failure(b'{"a":3,"a":"x"}', codec)
    assert rows(b'{"n":{"x":1,"x":[]},"n":{"y":1}}') == [{"n": {"y": 1}}]


def test_an_empty_object_and_a_tombstone_are_rows_of_nulls() -> None:
    assert rows(b"{}", b'{"a":1}', None, b" { } ") == [
        {"a": None},
        {"a": 1},
        {"a": None},
        {"a": None},
    ]


def test_rows_are_counted_even_where_no_column_is_known() -> None:
    decoded = JsonCodec().decode([b"{}", None, b"["])
    assert decoded.columns.num_rows == 2
    assert decoded.columns.num_columns == 0
    assert indices(decoded) == [2]


@pytest.mark.parametrize("value", [b"[1]", b'"x"', b"1", b"1.5", b"true", b"null", b"[]"])
def test_a_top_level_that_is_no_object_is_refused_as_columns_and_taken_as_a_row(
    value: bytes,
) -> None:
    assert "not an object" in failure(value)
    assert JsonCodec().decode_rows([value]).rows == [json.loads(value)]


@pytest.mark.parametrize(
    "value",
    [b"", b" ", b"{", b'{"a":1', b"{}{}", b"{} x", b"{a:1}", b"{'a':1}", b'{"a":01}', b'{"a":1,}'],
)
def test_what_is_no_json_is_refused(value: bytes) -> None:
    assert "not valid JSON" in failure(value)
    assert failure(value, JsonCodec(schema=pa.schema([("a", pa.int64())])))
    assert JsonCodec().decode_rows([value]).failures


def test_a_byte_order_mark_is_refused() -> None:
    assert "not valid JSON" in failure(b'\xef\xbb\xbf{"a":1}')


@pytest.mark.parametrize("depth", [70, 900, 100_000])
@pytest.mark.parametrize("opening", [b"[", b'{"b":'])
def test_deep_nesting_is_refused_and_crashes_nothing(depth: int, opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    value = b'{"a":' + opening * depth + b"null" + closing * depth + b"}"
    assert "nested" in failure(value)


def test_fields_beyond_the_limit_are_refused_and_the_known_ones_still_read() -> None:
    codec = JsonCodec(max_columns=3)
    assert rows(b'{"a":1,"b":{"c":1}}', codec=codec)
    assert "max_columns is 3" in failure(b'{"a":2,"d":1}', codec)
    assert rows(b'{"a":2}', codec=codec) == [{"a": 2, "b": None}]
    with pytest.raises(ConfigurationError, match="max_columns is 0"):
        JsonCodec(max_columns=0)


KEYS = [
    "class",
    "_id",
    "__x",
    "",
    " ",
    "a b",
    "a.b",
    "1",
    "ü",
    "f0",
    'q"',
    "b\\",
    "n\n",
    "\ufdd0",
    "q",
]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_be_a_column(key: str) -> None:
    value = {key: 1, "other": {key: [{key: "x"}]}}
    data = json.dumps(value).encode()
    codec = JsonCodec()
    assert rows(data, data, codec=codec) == [value] * 2
    assert codec.schema.names == [key, "other"]
    again = codec.encode(codec.decode([data]).columns)
    assert json.loads(again.values[0] or b"") == value


def test_all_odd_keys_together_and_keys_with_escapes() -> None:
    value = dict.fromkeys(KEYS, 1)
    assert rows(json.dumps(value).encode()) == [value]
    codec = JsonCodec()
    assert rows(b'{"abc":1}', rb'{"a\u0062c":2}', codec=codec) == [{"abc": 1}, {"abc": 2}]


def test_null_then_a_value_gives_the_column_its_type() -> None:
    codec = JsonCodec()
    rows(b'{"a":null}', codec=codec)
    assert codec.schema.field("a").type == pa.null()
    assert rows(b'{"a":null}', b'{"a":true}', codec=codec) == [{"a": None}, {"a": True}]


def test_an_integer_column_becomes_double_for_the_whole_batch() -> None:
    decoded = JsonCodec().decode([b'{"a":1}', b'{"a":9007199254740993}', b'{"a":1.5}'])
    assert decoded.columns.column("a") == pa.array([1.0, 9007199254740992.0, 1.5], pa.float64())


def test_an_integer_in_a_double_column_is_the_nearest_double() -> None:
    assert rows(b'{"a":0.5}', b'{"a":%d}' % 10**30) == [{"a": 0.5}, {"a": 1e30}]
    codec = JsonCodec()
    rows(b'{"a":0.5}', codec=codec)
    assert failure(b'{"a":1%s}' % (b"0" * 400), codec)


def test_new_fields_are_appended_at_every_level() -> None:
    codec = JsonCodec()
    got = rows(
        b'{"a":{"x":1},"l":[1]}', b'{"b":2,"a":{"y":"z","x":0.5},"l":[null,1.5]}', codec=codec
    )
    assert got == [
        {"a": {"x": 1.0, "y": None}, "l": [1.0], "b": None},
        {"a": {"x": 0.5, "y": "z"}, "l": [None, 1.5], "b": 2},
    ]
    assert codec.schema.names == ["a", "l", "b"]


def test_a_column_seen_once_is_in_every_later_batch() -> None:
    codec = JsonCodec()
    codec.decode([b'{"a":1,"b":2}'])
    for values in ([b'{"b":3}'], [b"["], []):
        decoded = codec.decode(values)
        assert decoded.columns.schema.names == ["a", "b"]
        assert decoded.columns.num_rows + len(decoded.failures) == len(values)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (b'{"a":1}', b'{"a":"1"}', "field 'a' is a string, but has been an integer so far"),
        (b'{"a":1}', b'{"a":true}', "field 'a' is a boolean, but has been an integer so far"),
        (b'{"a":true}', b'{"a":1}', "field 'a' is an integer, but has been a boolean so far"),
        (b'{"a":{}}', b'{"a":[]}', "field 'a' is a list, but has been an object so far"),
        (b'{"a":[]}', b'{"a":{}}', "field 'a' is an object, but has been a list so far"),
        (b'{"a":0.5}', b'{"a":"x"}', "field 'a' is a string, but has been a number so far"),
        (
            b'{"a":{"b":[{"c":1}]}}',
            b'{"a":{"b":[{"c":"x"}]}}',
            "field 'a.b[].c' is a string, but has been an integer so far",
        ),
    ],
)
def test_a_type_that_cannot_be_reconciled_fails_that_record_alone(
    first: bytes, second: bytes, message: str
) -> None:
    decoded = JsonCodec().decode([first, second, first])
    assert [str(one.error) for one in decoded.failures] == [message]
    assert decoded.failures[0].index == 1
    assert decoded.columns.num_rows == 2


def test_a_record_that_is_refused_leaves_the_schema_as_it_was() -> None:
    codec = JsonCodec()
    codec.decode([b'{"a":1}', b'{"new":1,"a":"x"}', b'{"a":1.5,"z":1e999}'])
    assert codec.schema == pa.schema([("a", pa.int64())])


def test_decode_rows_are_what_json_makes_of_them() -> None:
    values = [b'{"a":123456789012345678901234567890}', None, b"[", b"[1.0]", b'{"a":1,"a":2}']
    decoded = JsonCodec().decode_rows(values)
    assert decoded.rows == [{"a": 123456789012345678901234567890}, None, [1.0], {"a": 2}]
    assert [one.index for one in decoded.failures] == [2]


def test_bytes_pass_between_codecs_of_equal_pins_only() -> None:
    schema = pa.schema([("a", pa.int64())])
    plain, pinned = JsonCodec(), JsonCodec(schema=schema)
    assert plain.reads_as(JsonCodec())
    assert pinned.reads_as(JsonCodec(schema=pa.schema([("a", pa.int64())])))
    assert not plain.reads_as(pinned)
    assert not pinned.reads_as(plain)
    assert not pinned.reads_as(JsonCodec(schema=pa.schema([("a", pa.int32())])))


def test_many_new_fields_in_one_batch_make_few_layouts() -> None:
    codec = JsonCodec()
    values = [b'{"k%d":%d}' % (number, number) for number in range(300)]
    values[100:100] = [b"[", b'{"k0":"x"}']
    decoded = codec.decode([*values, None])
    assert indices(decoded) == [100, 101]
    assert decoded.columns.num_columns == 300
    assert [
        [value for value in row.values() if value is not None]
        for row in decoded.columns.to_pylist()
    ] == [*([number] for number in range(300)), []]
