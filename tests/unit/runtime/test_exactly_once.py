from __future__ import annotations

from typing import Any

import pytest

from sabot.api.stream import Stream
from sabot.app.app import App
from sabot.errors import ConfigurationError, PlanError
from sabot.kafka.source import KafkaSource, KafkaSourceConfig
from sabot.plan.outputs import collecting
from sabot.runtime.settings import WorkerSettings
from sabot.runtime.worker import Worker

HERE = "localhost:9092"


def source(servers: str = HERE, **options: Any) -> Stream:
    return Stream.from_kafka(servers, "in", "g", processing_guarantee="exactly_once", **options)


def host(*outputs: Any, settings: WorkerSettings | None = None) -> Worker:
    return Worker([each.output for each in outputs], name="w", settings=settings)


def test_a_guarantee_nobody_knows_is_refused_with_those_there_are() -> None:
    for refused in (
        lambda: App("a", processing_guarantee="exactly-once"),  # type: ignore[arg-type]
        lambda: Stream.from_kafka(HERE, "in", "g", processing_guarantee="exactly-once"),
        lambda: WorkerSettings(processing_guarantee="exactly-once"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigurationError, match=r"'at_least_once', 'exactly_once'"):
            refused()


def test_two_guarantees_in_one_process_are_refused() -> None:
    with collecting():
        one = source().to_kafka(HERE, "out")
        two = Stream.from_kafka(HERE, "other", "h", processing_guarantee="at_least_once").to_kafka(
            HERE, "out"
        )
        with pytest.raises(ConfigurationError, match="two are asked for"):
            host(one, two)


def test_the_app_says_it_for_sources_that_do_not() -> None:
    with collecting():
        app = App("a", "embedded://", processing_guarantee="exactly_once")
        app.stream("in").to_kafka(app.broker, "out")
        with pytest.raises(ConfigurationError, match="keeps no offsets"):
            app.worker()


def test_a_sink_on_another_cluster_is_refused() -> None:
    with collecting():
        output = source().to_kafka("elsewhere:9092", "out")
        with pytest.raises(PlanError, match="no address in common"):
            host(output)


def test_sinks_that_cannot_share_a_producer_are_named() -> None:
    with collecting():
        rows = source()
        one = rows.to_kafka(HERE, "out", linger_ms=5)
        two = rows.to_kafka(HERE, "other", linger_ms=50, compression_type="zstd")
        with pytest.raises(ConfigurationError, match=r"'other'.*linger\.ms, compression_type"):
            host(one, two)


def test_commits_by_hand_are_refused() -> None:
    with collecting():
        output = source(enable_auto_commit=False).to_kafka(HERE, "out")
        with pytest.raises(ConfigurationError, match="enable_auto_commit=False"):
            host(output)


def test_acks_of_one_broker_are_refused() -> None:
    with collecting():
        output = source().to_kafka(HERE, "out", acks=1)
        with pytest.raises(ConfigurationError, match="needs 'all'"):
            host(output)


def test_a_source_for_coroutines_has_no_exactly_once() -> None:
    config = KafkaSourceConfig(HERE, "in", "g", processing_guarantee="exactly_once")
    with pytest.raises(ConfigurationError, match="no outputs"):
        KafkaSource(config)


def test_an_interval_that_was_asked_for_holds_under_both() -> None:
    config = KafkaSourceConfig.from_options(HERE, "in", "g", auto_commit_interval_ms=5000)
    assert config.commit_interval_seconds(exactly_once=True) == 5.0
    assert config.commit_interval_seconds(exactly_once=False) == 5.0
