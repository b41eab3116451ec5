"""Plans: what is to happen to rows, as inert data."""

from sabot.plan.explain import describe, explain
from sabot.plan.outputs import Collection, Output, collecting, current_collection

__all__ = ["Collection", "Output", "collecting", "current_collection", "describe", "explain"]
