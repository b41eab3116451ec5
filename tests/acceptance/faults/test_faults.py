"""The fault runs in their shortest form; `make faults` has the longer ones."""

from __future__ import annotations

import random

import pytest

from tests.broker import Kafka
from tests.faults.lab import Lab
from tests.faults.scenarios import SCENARIOS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# Those that take seconds. The others are for `make faults`, whose report has what they found;
# F5 is open there: a partition may stand still after a cut until the watchdog ends the worker.
NAMES = ["F1", "F8", "F9", "F11", "F13"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_promised_is_kept_under(name: str, kafka_behind_proxy: Kafka) -> None:
    seed = random.randrange(1 << 31)
    outcomes = SCENARIOS[name](Lab(kafka_behind_proxy, seed, quick=True))
    said = "\n".join(map(str, outcomes))
    assert all(each.passed for each in outcomes), f"seed {seed}\n{said}"
