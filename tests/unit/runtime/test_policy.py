from __future__ import annotations

import pytest

from sabot.kafka.source import KafkaSourceConfig
from sabot.runtime.policy import ErrorPolicy, Stage, Verdict, is_transient_cause


@pytest.mark.parametrize(
    ("policy", "decode", "process"),
    [
        (None, Verdict.SKIP, Verdict.FAIL),
        ("skip", Verdict.SKIP, Verdict.SKIP),
        ("fail", Verdict.FAIL, Verdict.FAIL),
        ("dead_letter", Verdict.DEAD_LETTER, Verdict.DEAD_LETTER),
        ("retry", Verdict.FAIL, Verdict.RETRY),
    ],
)
def test_a_verdict_depends_on_policy_and_stage(
    policy: str | None, decode: Verdict, process: Verdict
) -> None:
    verdicts = ErrorPolicy(policy)
    assert verdicts.verdict(Stage.DECODE) is decode
    assert verdicts.verdict(Stage.PROCESS) is process
    assert verdicts.verdict(Stage.WRITE) is process


def test_retry_ends_at_the_dead_letter_topic_where_there_is_one() -> None:
    policy = ErrorPolicy("retry", dead_letter_topic="dlq")
    assert policy.exhausted() is Verdict.DEAD_LETTER
    assert policy.verdict(Stage.DECODE) is Verdict.DEAD_LETTER
    assert ErrorPolicy("retry").exhausted() is Verdict.FAIL


def test_a_policy_is_read_from_a_source() -> None:
    source = KafkaSourceConfig.from_options(
        "localhost:1",
        "orders",
        "billing",
        error_handling_policy="retry",
        max_retry_attempts=7,
        retry_backoff_seconds=0.5,
        dead_letter_topic="dlq",
        error_sample_rate=0.25,
    )
    assert ErrorPolicy.of(source) == ErrorPolicy("retry", 7, 0.5, "dlq", 0.25)


def test_a_source_without_a_policy_has_the_default() -> None:
    assert ErrorPolicy.of(object()) == ErrorPolicy()


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (OSError("disk"), True),
        (TimeoutError(), True),
        (ConnectionRefusedError(), True),
        (FileNotFoundError(), False),
        (IsADirectoryError(), False),
        (NotADirectoryError(), False),
        (FileExistsError(), False),
        (ValueError(), False),
        (KeyError("x"), False),
    ],
)
def test_the_worlds_troubles_may_pass(error: Exception, transient: bool) -> None:
    assert is_transient_cause(error, ErrorPolicy()) is transient


def test_the_user_may_name_more_of_them() -> None:
    policy = ErrorPolicy(transient=(LookupError, FileNotFoundError))
    assert is_transient_cause(KeyError("x"), policy)
    assert is_transient_cause(FileNotFoundError(), policy)
    assert not is_transient_cause(ValueError(), policy)
