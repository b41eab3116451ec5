"""Options become librdkafka properties, and mistakes are named where they are made."""

from __future__ import annotations

from typing import Any

import pytest

from sabot.errors import ConfigurationError
from sabot.kafka.properties import (
    Side,
    check_properties,
    connection_properties,
    consumer_properties,
    producer_properties,
    property_name,
)


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("fetch_min_bytes", "fetch.min.bytes"),
        ("fetch_max_wait_ms", "fetch.wait.max.ms"),
        ("fetch_wait_max_ms", "fetch.wait.max.ms"),
        ("session_timeout_ms", "session.timeout.ms"),
        ("client_id", "client.id"),
        ("security_protocol", "security.protocol"),
        ("sasl_mechanism", "sasl.mechanism"),
        ("sasl_plain_username", "sasl.username"),
        ("sasl_plain_password", "sasl.password"),
        ("sasl_username", "sasl.username"),
        ("ssl_cafile", "ssl.ca.location"),
        ("ssl_ca_location", "ssl.ca.location"),
        ("ssl_ca", "ssl_ca"),
        ("stats_cb", "stats_cb"),
        ("fetch.min.bytes", "fetch.min.bytes"),
    ],
)
def test_a_consumer_option_names_its_property(option: str, name: str) -> None:
    assert property_name("consumer", option) == name


def test_the_options_of_a_sink_become_producer_properties() -> None:
    options = {"acks": "all", "linger_ms": 5, "batch_size": 65536, "compression_type": "zstd"}
    assert producer_properties(options) == {
        "acks": "all",
        "linger.ms": 5,
        "batch.size": 65536,
        "compression.type": "zstd",
    }


def test_values_are_converted_where_the_property_counts_otherwise() -> None:
    assert producer_properties({"buffer_memory": 32 * 1024 * 1024}) == {
        "queue.buffering.max.kbytes": 32768
    }
    assert consumer_properties({"ssl_check_hostname": False}) == {
        "ssl.endpoint.identification.algorithm": "none"
    }


def test_none_means_the_default() -> None:
    assert consumer_properties({"ssl_cafile": None, "client_id": "me"}) == {"client.id": "me"}


def test_dotted_names_are_taken_as_they_are() -> None:
    assert consumer_properties({}, {"check.crcs": True}) == {"check.crcs": True}


@pytest.mark.parametrize(
    ("options", "dotted", "message"),
    [
        ({"fetch_min_bites": 1}, {}, ("unknown consumer option 'fetch_min_bites'; did you mean "
         "'fetch_min_bytes'?")),
        ({"zzzzzz": 1}, {}, "unknown consumer option 'zzzzzz'"),
        ({}, {"fetch.min.bites": 1}, ("unknown consumer option 'fetch.min.bites'; did you mean "
         "'fetch.min.bytes'?")),
        ({"fetch_min_bites": None}, {}, "unknown consumer option 'fetch_min_bites'"),
        ({"fetch_min_bytes": "much"}, {}, ("'fetch_min_bytes' is 'much', which is not usable: "
         "Invalid value")),
        ({"session_timeout_ms": 0}, {}, "is outside allowed range 1..3600000"),
        ({"security_protocol": "tls"}, {}, "'security_protocol' is 'tls'"),
        ({"linger_ms": 5}, {}, ("'linger_ms' is a property of producers; give it where the "
         "stream is written (to_kafka)")),
        ({}, {"group.id": "g"}, "'group.id' is set by Sabot itself: give it as group_id"),
        ({}, {"auto.offset.reset": "latest"}, "use auto_offset_reset"),
        ({}, {"enable.auto.commit": True}, "use enable_auto_commit"),
        ({}, {"enable.partition.eof": False}, "Sabot needs the end of a partition"),
        ({"on_commit": print}, {}, "'on_commit' is set by Sabot itself"),
        ({"error_cb": print}, {}, "Sabot turns the client's errors into exceptions"),
        ({"value_deserializer": print}, {}, "use codec_type and codec_options"),
        ({"stats_cb": 3}, {}, "it must be callable"),
        ({"fetch_min_bytes": 2}, {"fetch.min.bytes": 3}, "is given twice: 2 as an option and 3"),
    ],
)  # fmt: skip
def test_a_consumer_option_that_cannot_be_used_is_refused(
    options: dict[str, Any], dotted: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        consumer_properties(options, dotted)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ms_linger": 1}, "unknown producer option 'ms_linger'; did you mean 'linger_ms'?"),
        ({"fetch_min_bytes": 1}, "a property of consumers; give it where the stream is read"),
        ({"transactional_id": "x"}, "Sabot names transactions itself"),
        ({"on_delivery": print}, "Sabot counts delivery reports"),
        ({"acks": 0}, "nobody learns whether a record arrived; allowed: 'all' or 1"),
        ({"compression_type": "lz5"}, "'compression_type' is 'lz5'"),
        ({"buffer_memory": "big"}, "'buffer_memory' is 'big'"),
        ({"max_block_ms": 3}, "a full producer queue holds the source back"),
    ],
)
def test_a_producer_option_that_cannot_be_used_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        producer_properties(options)
    assert message in str(refused.value)


def test_names_the_caller_takes_are_suggested() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'dead_letter_topic'"):
        consumer_properties({"deadletter_topic": "x"}, also_allowed=["dead_letter_topic"])


def test_a_password_is_never_shown() -> None:
    with pytest.raises(ConfigurationError) as refused:
        consumer_properties({"sasl_plain_password": "one"}, {"sasl.password": "two"})
    assert "one" not in str(refused.value).replace("option", "")
    assert "two" not in str(refused.value)


@pytest.mark.parametrize("side", ["consumer", "producer"])
def test_a_name_must_be_text(side: Side) -> None:
    with pytest.raises(ConfigurationError, match="is no name"):
        check_properties(side, {3: 1})  # type: ignore[dict-item]


def test_only_what_concerns_the_connection_goes_to_other_clients() -> None:
    properties = {
        "bootstrap.servers": "a:1",
        "sasl.password": "p",
        "allow.auto.create.topics": True,
        "fetch.min.bytes": 1,
        "oauth_cb": print,
    }
    assert connection_properties(properties) == {
        "bootstrap.servers": "a:1",
        "sasl.password": "p",
        "oauth_cb": print,
    }
