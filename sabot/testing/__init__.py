"""What users and Sabot itself test with; public and shipped."""

from __future__ import annotations

from sabot.testing.clock import ManualClock

__all__ = ["ManualClock"]
