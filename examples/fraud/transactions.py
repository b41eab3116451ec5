"""Plausible card transactions, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

__all__ = ["KINDS", "LIMIT", "transactions"]

KINDS = ("card", "transfer", "cash")
LIMIT = 1000.0
"""A transaction above this amount is flagged."""

_MERCHANTS = tuple(f"merchant-{number:02}" for number in range(1, 25))
_COUNTRIES = ("DE", "FR", "IT", "NL", "PL", "ES")


def transactions(seed: int = 7) -> Iterator[dict[str, Any]]:
    """Yield transactions without end; about one in ten is above `LIMIT`."""
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        yield {
            "id": f"t-{number:08}",
            "card": f"c-{chance.randrange(5000):04}",
            "merchant": chance.choice(_MERCHANTS),
            "country": chance.choice(_COUNTRIES),
            "type": chance.choices(KINDS, weights=(7, 2, 1))[0],
            "amount": round(chance.lognormvariate(4.8, 1.65), 2),
        }
