from __future__ import annotations

from typing import Any

import pytest

from sabot.errors import ConfigurationError
from sabot.runtime.settings import WorkerSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"stuck_seconds": 0},
        {"slow_seconds": -1},
        {"processing_timeout_seconds": 0},
        {"broker_timeout_seconds": 0},
        {"health_seconds": 0},
        {"web_port": -1},
        {"web_port": 65536},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_meant_is_refused_by_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=name):
        WorkerSettings(**wrong)


def test_no_processing_timeout_and_no_web_port_are_the_defaults() -> None:
    settings = WorkerSettings()
    assert settings.processing_timeout_seconds is None
    assert settings.web_port is None
    assert settings.web_host == "127.0.0.1"
