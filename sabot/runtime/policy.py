"""What becomes of a record that cannot be decoded, processed or written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["ErrorPolicy", "Stage", "Verdict", "is_transient_cause"]


class Stage(Enum):
    """Where a record failed."""

    DECODE = "decode"
    PROCESS = "process"
    WRITE = "write"


class Verdict(Enum):
    """What to do about it."""

    SKIP = "skip"
    FAIL = "fail"
    RETRY = "retry"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """The error policy of one source.

    Attributes:
        policy: As the user gave it; ``None`` skips what cannot be decoded and fails on
            what a step raises: a record that a step cannot take is not bad by itself.
        max_attempts: How often ``retry`` tries a record again.
        backoff_seconds: The first wait of ``retry``.
        dead_letter_topic: Where dead letters go.
        sample_rate: The share of skipped records that are logged.
        transient: Further exception classes that only need time.
        resumes: Whether it also holds for a batch that fails as a whole.
    """

    policy: str | None = None
    max_attempts: int = 3
    backoff_seconds: float = 1.0
    dead_letter_topic: str | None = None
    sample_rate: float = 0.1
    transient: tuple[type[BaseException], ...] = ()
    resumes: bool = False

    @classmethod
    def of(cls, source: Any, *, resumes: bool = False) -> ErrorPolicy:
        """Read the policy of a source's configuration; a source without one has defaults."""
        if not hasattr(source, "error_handling_policy"):
            return cls()
        return cls(
            policy=source.error_handling_policy,
            max_attempts=source.max_retry_attempts,
            backoff_seconds=source.retry_backoff_seconds,
            dead_letter_topic=source.dead_letter_topic,
            sample_rate=source.error_sample_rate,
            transient=tuple(getattr(source, "transient", ())),
            resumes=resumes,
        )

    def verdict(self, stage: Stage) -> Verdict:
        """Return what to do about a record that failed at ``stage``."""
        if self.policy is None:
            return Verdict.SKIP if stage is Stage.DECODE else Verdict.FAIL
        verdict = Verdict(self.policy)
        if verdict is Verdict.RETRY and stage is Stage.DECODE:
            # The same bytes decode no better the second time.
            return self.exhausted()
        return verdict

    def exhausted(self) -> Verdict:
        """Return what to do when ``retry`` has tried often enough."""
        return Verdict.DEAD_LETTER if self.dead_letter_topic else Verdict.FAIL


_TRANSIENT: tuple[type[BaseException], ...] = (OSError, TimeoutError, ConnectionError)
_PERMANENT_OS_ERRORS: tuple[type[BaseException], ...] = (
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    FileExistsError,
)


def is_transient_cause(error: BaseException, policy: ErrorPolicy) -> bool:
    """Whether an error a step raised is the world's and may pass by itself.

    A database or service that is down fails every row; none of them is to blame, so no
    policy may skip them for it.
    """
    if policy.transient and isinstance(error, policy.transient):
        return True
    if isinstance(error, _PERMANENT_OS_ERRORS):
        return False
    return isinstance(error, _TRANSIENT)
