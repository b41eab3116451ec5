from __future__ import annotations

from typing import Any

import pytest

from sabot.codecs import create_codec
from sabot.errors import ConfigurationError
from sabot.kafka.embedded import resolve_bootstrap, stop_embedded
from sabot.kafka.sink import KafkaSinkConfig, client_properties


def sink(**options: Any) -> KafkaSinkConfig:
    return KafkaSinkConfig.from_options("localhost:1", "out", **options)


def properties(**options: Any) -> dict[str, Any]:
    return client_properties(sink(**options), "sabot-app")


def test_records_are_kept_in_order_and_placed_like_javas() -> None:
    found = properties()
    assert found["enable.idempotence"] is True
    assert found["partitioner"] == "murmur2_random"
    assert found["compression.type"] == "lz4"
    assert (found["bootstrap.servers"], found["client.id"]) == ("localhost:1", "sabot-app")


def test_properties_of_the_user_win() -> None:
    found = properties(linger_ms=50, producer_config={"client.id": "mine"}, compression_type="zstd")
    assert found["linger.ms"] == 50
    assert found["client.id"] == "mine"
    assert found["compression.type"] == "zstd"


@pytest.mark.parametrize(("acks", "idempotent"), [("all", True), (-1, True), (1, False)])
def test_fewer_acknowledgements_give_up_idempotence(acks: Any, idempotent: bool) -> None:
    assert properties(acks=acks)["enable.idempotence"] is idempotent


@pytest.mark.parametrize("compression", ["none", "", None])
def test_no_compression_may_be_said_in_three_ways(compression: Any) -> None:
    assert sink(compression_type=compression).compression_type == "none"


def test_the_embedded_brokers_address_is_found_and_its_memory_spared() -> None:
    try:
        config = KafkaSinkConfig.from_options("embedded://", "out")
        found = client_properties(config, "sabot-app")
        assert found["bootstrap.servers"] == resolve_bootstrap("embedded://")
        assert found["queue.buffering.max.kbytes"] == 4096
    finally:
        stop_embedded()


def test_a_codec_may_be_given_itself() -> None:
    codec = create_codec("json", None)
    config = sink(codec_type=codec)
    assert config.title == "kafka 'out' (json, lz4) at localhost:1"
    assert config.label == "out"
    assert config.create_codec().name == "json"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compression_type": "gz"}, "allowed are none, gzip"),
        ({"key_extractor": 5}, "key_extractor must be a function"),
        ({"codec_type": "jason"}, "json"),
        ({"acks": 0}, "nobody learns whether a record arrived"),
        ({"codec_options": {"shema": {}}}, "shema"),
    ],
)
def test_what_cannot_work_is_refused_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        sink(**options)
