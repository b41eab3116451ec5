"""`run_outputs`: run some outputs now, with a worker of their own."""

from __future__ import annotations

from collections.abc import Sequence

from sabot.plan.outputs import Output
from sabot.runtime.compile import compile_outputs
from sabot.runtime.worker import Worker

__all__ = ["run_outputs"]


def run_outputs(
    outputs: Sequence[Output], *, siblings: Sequence[Output] = (), name: str | None = None
) -> None:
    """Run outputs, and those siblings that read with the same consumer group.

    Raises:
        SabotError: The first cause, if the run fails.
    """
    wanted = {id(output): output for output in outputs}
    keys = {plan.key for plan in compile_outputs(list(outputs))}
    for sibling in siblings:
        if sibling.started or id(sibling) in wanted:
            continue
        if {plan.key for plan in compile_outputs([sibling])} & keys:
            wanted[id(sibling)] = sibling
    chosen = list(wanted.values())
    worker = Worker(chosen, name=name or compile_outputs(chosen)[0].name)
    worker.run()
    if worker.failure is not None:
        raise worker.failure
