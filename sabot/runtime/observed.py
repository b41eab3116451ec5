"""What can be seen of one lane: its actor, its mailbox, its counts."""

from __future__ import annotations

from dataclasses import replace

from sabot.actors import ActorStatistics
from sabot.runtime.lane import Lane
from sabot.runtime.statistics import PipelineStatistics

__all__ = ["actor_statistics", "pipeline_statistics"]


def actor_statistics(lane: Lane) -> ActorStatistics:
    """Return how the actor is; of an agent, its event in hand and not its batch."""
    seen, actor = lane.ref.statistics(), lane.actor
    return replace(
        seen,
        records_done=actor.records_done,
        in_hand_seconds=actor.in_hand_seconds if actor.answers_itself else seen.in_hand_seconds,
    )


def pipeline_statistics(lane: Lane) -> PipelineStatistics:
    """Return the pipeline's counts, and how its actor is."""
    actor, seen = lane.actor, lane.ref.statistics()
    return PipelineStatistics(
        name=actor.name,
        kind=actor.kind,
        state=seen.state.value,
        records_in=actor.records_in,
        records_out=dict(actor.records_out),
        skipped=actor.skipped_count,
        dead_lettered=actor.dead_letter_count,
        restarts=seen.restarts,
        last_error=seen.last_error,
        depth=seen.depth,
        depth_bound=seen.depth_bound,
        bytes=seen.bytes,
        in_hand_seconds=seen.in_hand_seconds,
    )
