"""Actors: a name, a bounded mailbox, a lifecycle, a place in one supervision tree."""

from __future__ import annotations

from sabot.actors.actor import Actor
from sabot.actors.budget import ByteBudget
from sabot.actors.cell import ThreadCell
from sabot.actors.envelope import Envelope
from sabot.actors.group import Group
from sabot.actors.mailbox import Bound, Mailbox
from sabot.actors.ref import ActorRef
from sabot.actors.statistics import ActorState, ActorStatistics
from sabot.actors.supervision import (
    Backoff,
    RestartLimit,
    RestartWindow,
    Strategy,
    Supervision,
    is_transient,
    strategy_for,
)
from sabot.actors.supervisor import Decision, Supervisor
from sabot.actors.system import ActorSystem, Escalation

__all__ = [
    "Actor",
    "ActorRef",
    "ActorState",
    "ActorStatistics",
    "ActorSystem",
    "Backoff",
    "Bound",
    "ByteBudget",
    "Decision",
    "Envelope",
    "Escalation",
    "Group",
    "Mailbox",
    "RestartLimit",
    "RestartWindow",
    "Strategy",
    "Supervision",
    "Supervisor",
    "ThreadCell",
    "is_transient",
    "strategy_for",
]
