"""The settings of a source: the guide's fields, and what is refused at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sabot.codecs import StringCodec
from sabot.errors import ConfigurationError
from sabot.kafka.source_config import KafkaSourceConfig


def config(**changes: Any) -> KafkaSourceConfig:
    given = {"bootstrap_servers": "localhost:9092", "topic": "orders", "group_id": "billing"}
    return KafkaSourceConfig(**{**given, **changes})


def test_the_fields_and_defaults_are_those_of_the_guide() -> None:
    plain = config()
    guide = {
        "bootstrap_servers": "localhost:9092",
        "topic": "orders",
        "group_id": "billing",
        "codec_type": "json",
        "codec_options": {},
        "auto_offset_reset": "latest",
        "enable_auto_commit": True,
        "auto_commit_interval_ms": 5000,
        "max_poll_records": 500,
        "fetch_min_bytes": 1,
        "fetch_max_wait_ms": 500,
        "error_handling_policy": None,
        "max_retry_attempts": 3,
        "retry_backoff_seconds": 1.0,
        "dead_letter_topic": None,
        "error_sample_rate": 0.1,
        "consumer_config": {},
    }
    names = [field.name for field in dataclasses.fields(plain)]
    assert names[: len(guide)] == list(guide)
    assert {name: getattr(plain, name) for name in guide} == guide
    assert (plain.batch_size, plain.connect_timeout_seconds) == (1000, 10.0)


def test_a_codec_may_be_given_itself() -> None:
    codec = StringCodec()
    given = config(codec_type=codec)
    assert given.create_codec() is codec
    assert "(string)" in given.title
    with pytest.raises(ConfigurationError, match="exists already"):
        config(codec_type=codec, codec_options={"encoding": "ascii"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"topic": ""}, "topic is ''; allowed: a str that is not empty"),
        ({"topic": "a b"}, "topic is 'a b'; allowed: up to 249 of a-z A-Z 0-9 . _ -"),
        ({"group_id": " "}, "group_id is ' '; allowed: a str that is not empty"),
        ({"group_id": None}, "group_id is None"),
        ({"bootstrap_servers": ""}, "names no broker; allowed: 'host:port'"),
        ({"bootstrap_servers": []}, "names no broker"),
        ({"bootstrap_servers": 9092}, "bootstrap_servers is 9092; allowed: 'host:port'"),
        ({"auto_offset_reset": "erliest"}, "did you mean 'earliest'?"),
        ({"auto_offset_reset": "none"}, "allowed: 'earliest', 'latest'"),
        ({"enable_auto_commit": "no"}, "enable_auto_commit is 'no'; allowed: True, False"),
        ({"auto_commit_interval_ms": 0}, "allowed: a whole number above 0"),
        ({"batch_size": 1.5}, "batch_size is 1.5; allowed: a whole number above 0"),
        ({"batch_size": True}, "batch_size is True"),
        ({"max_retry_attempts": -1}, "allowed: a whole number 0 or above"),
        ({"retry_backoff_seconds": -0.1}, "allowed: a number 0 or above"),
        ({"connect_timeout_seconds": 0}, "allowed: a number above 0"),
        ({"error_sample_rate": 1.1}, "error_sample_rate is 1.1; allowed: 0.0 to 1.0"),
        ({"error_handling_policy": "skp"}, "did you mean 'skip'?"),
        ({"error_handling_policy": "dead_letter"}, "no dead_letter_topic is given"),
        ({"dead_letter_topic": "orders"}, "would come back for ever"),
        ({"transient": (3,)}, "transient has 3; allowed: classes of exceptions"),
        ({"consumer_config": {"group.id": "g"}}, "give it as group_id"),
        ({"consumer_config": {"fetch.min.bites": 1}}, "did you mean 'fetch.min.bytes'?"),
        ({"codec_type": "jsn"}, "'json'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        config(**changes)
    assert message in str(refused.value)


def test_several_brokers_are_a_list_or_a_text_with_commas() -> None:
    listed = config(bootstrap_servers=["a:1", "b:2"])
    assert listed.bootstrap_servers == config(bootstrap_servers="a:1, b:2").bootstrap_servers
    assert listed.domain == config(bootstrap_servers="b:2,a:1").domain


def test_a_policy_left_out_skips_bad_bytes_and_fails_for_bad_steps() -> None:
    assert (config().decode_policy, config().processing_policy) == ("skip", "fail")
    retried = config(error_handling_policy="retry")
    assert (retried.decode_policy, retried.processing_policy) == ("retry", "retry")


def test_batch_size_wins_over_max_poll_records() -> None:
    assert config(max_poll_records=5000).batch_size == 5000
    assert config(max_poll_records=5000, batch_size=200).batch_size == 200
    assert config().batch_size == 1000


def test_options_may_be_fields_guide_names_or_properties() -> None:
    made = KafkaSourceConfig.from_options(
        "localhost:9092",
        "orders",
        "billing",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=5000,
        sasl_plain_username="alice",
        session_timeout_ms=6000,
        consumer_config={"check.crcs": True},
    )
    assert made.auto_offset_reset == "earliest"
    assert made.fetch_max_wait_ms == 5000
    assert made.consumer_config == {
        "sasl.username": "alice",
        "session.timeout.ms": 6000,
        "check.crcs": True,
    }


def test_an_unknown_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'error_handling_policy'"):
        KafkaSourceConfig.from_options("a:1", "t", "g", error_handling_polcy="skip")


def test_the_client_commits_nothing_and_moves_no_position_by_itself() -> None:
    properties = config(consumer_config={"fetch.min.bytes": 9}).client_properties()
    assert properties["enable.auto.commit"] is False
    assert properties["enable.auto.offset.store"] is False
    assert properties["auto.offset.reset"] == "error"
    assert properties["enable.partition.eof"] is True
    assert properties["isolation.level"] == "read_committed"
    assert properties["fetch.min.bytes"] == 9
    assert properties["client.id"] == "sabot-billing"
    assert properties["partition.assignment.strategy"] == "cooperative-sticky"


def test_with_the_consumer_protocol_the_cluster_assigns() -> None:
    made = KafkaSourceConfig.from_options(
        "a:1", "t", "g", group_protocol="consumer", session_timeout_ms=6000
    )
    properties = made.client_properties()
    assert made.cooperative
    assert not {"partition.assignment.strategy", "session.timeout.ms"} & properties.keys()


def test_an_eager_strategy_is_known_as_such() -> None:
    assert config().cooperative
    assert not config(consumer_config={"partition.assignment.strategy": "range"}).cooperative
    assert not config(bootstrap_servers="embedded://").cooperative


def test_sources_of_one_domain_say_in_which_options_they_differ() -> None:
    one = config(enable_auto_commit=False, consumer_config={"check.crcs": True})
    other = config(topic="payments")
    assert one.domain == other.domain
    assert one.differing(other) == ["enable_auto_commit", "check.crcs"]
    assert other.differing(config()) == []
