from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from sabot.actors import Envelope
from sabot.errors import ActorStoppedError


def test_refusing_an_envelope_tells_whoever_waits_for_the_answer() -> None:
    reply: Future[Any] = Future()
    Envelope("question", reply=reply).refuse(ActorStoppedError("gone"))

    with pytest.raises(ActorStoppedError, match="gone"):
        reply.result(0)


def test_refusing_leaves_a_cancelled_question_and_a_plain_message_alone() -> None:
    reply: Future[Any] = Future()
    reply.cancel()
    Envelope("question", reply=reply).refuse(ActorStoppedError("gone"))
    Envelope("no question").refuse(ActorStoppedError("gone"))

    assert reply.cancelled()
