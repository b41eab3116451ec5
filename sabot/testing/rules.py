"""Which requests a fault proxy acts on, and how many it has seen."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from sabot.errors import ConfigurationError
from sabot.testing.actions import Action
from sabot.testing.requests import RequestHeader, checked_api

__all__ = ["RequestLog", "Rule"]


class Rule:
    """Acts on some requests of one type; made by `FaultProxy.on`.

    Args:
        api: The type of request.
        action: What happens to it.
        nth: The first one acted on, counted from now; 1 is the next.
        times: How many are acted on; ``None`` for all from then on.
        client: Only those of a client whose id contains this; ``None`` for any.
    """

    def __init__(
        self,
        api: str,
        action: Action,
        *,
        nth: int = 1,
        times: int | None = 1,
        client: str | None = None,
    ) -> None:
        if nth < 1 or (times is not None and times < 1):
            raise ConfigurationError(f"nth and times begin at 1; got nth={nth!r}, times={times!r}")
        self.api = checked_api(api)
        self.action = action
        self._nth = nth
        self._times = times
        self._client = client
        self._seen = 0
        self._fired = 0
        self._ended = False
        self._news = threading.Condition()

    @property
    def fired(self) -> int:
        """How many requests it has acted on."""
        with self._news:
            return self._fired

    def wait(self, count: int = 1, timeout: float = 30.0) -> None:
        """Return once it has acted on ``count`` requests.

        Raises:
            AssertionError: When time runs out.
        """
        with self._news:
            if not self._news.wait_for(lambda: self._fired >= count, timeout):
                raise AssertionError(
                    f"{self.api} was acted on {self._fired} times of {count} within "
                    f"{timeout:g} s; {self._seen} were seen"
                )

    def end(self) -> None:
        """Act on no more requests; what is held on its account stays held."""
        with self._news:
            self._ended = True

    def offer(self, header: RequestHeader) -> Action | None:
        """Return what to do with a request; ``None`` where it is none of this rule's."""
        if header.api != self.api:
            return None
        if self._client is not None and self._client not in (header.client_id or ""):
            return None
        with self._news:
            self._seen += 1
            past = self._seen - self._nth
            spent = self._times is not None and past >= self._times
            if self._ended or spent or past < 0:
                return None
            self._fired += 1
            self._news.notify_all()
            return self.action


class RequestLog:
    """Counts requests by type and finds the rule for each; any thread may ask."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._seen: Counter[str] = Counter()
        self._rules: list[Rule] = []

    @property
    def counts(self) -> Mapping[str, int]:
        """How many there were of each type."""
        with self._news:
            return dict(self._seen)

    def wait(self, api: str, count: int, timeout: float) -> None:
        """Return once ``count`` requests of a type have been seen in all.

        Raises:
            AssertionError: When time runs out.
        """
        checked_api(api)
        with self._news:
            if not self._news.wait_for(lambda: self._seen[api] >= count, timeout):
                raise AssertionError(
                    f"{self._seen[api]} {api} requests of {count} within {timeout:g} s; "
                    f"seen: {dict(self._seen)}"
                )

    def add(self, rule: Rule) -> Rule:
        """Ask this rule too, after those that are there."""
        with self._news:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget the rules; the counts stay."""
        with self._news:
            self._rules.clear()

    def note(self, header: RequestHeader) -> Action | None:
        """Count a request and return what the first rule that wants it says."""
        with self._news:
            self._seen[header.api] += 1
            self._news.notify_all()
            rules = list(self._rules)
        # Each rule counts what it is offered, also where another one acts.
        actions = [rule.offer(header) for rule in rules]
        return next((action for action in actions if action is not None), None)
