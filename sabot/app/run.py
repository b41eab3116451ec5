"""`run`: a script's last line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from sabot.api.stream import OutputStream
from sabot.app.app import App
from sabot.app.loader import default_name
from sabot.errors import ConfigurationError, PlanError
from sabot.plan.outputs import Collection, current_collection
from sabot.runtime.run_outputs import run_outputs
from sabot.runtime.worker import Worker

__all__ = ["run"]


def run(*targets: App | OutputStream) -> None:
    """Run an app, some outputs, or everything defined so far, on the main thread.

    Returns when all sources have ended or a signal has come; SIGTERM and Ctrl-C drain, a
    second signal ends the process at once.

    Args:
        *targets: One app, or outputs. Outputs that read with the same consumer group as a
            given one run along: alone, it would commit records the others have not seen.
            Without any, all outputs run that were defined and have not run yet, with the
            app where there is one.

    Raises:
        ConfigurationError: If several apps are defined and none is given, or inside a
            running event loop.
        PlanError: If there is nothing to run.
        SabotError: The first cause, if the run fails.
    """
    collection = current_collection()
    apps = [target for target in targets if isinstance(target, App)]
    outputs = [target for target in targets if isinstance(target, OutputStream)]
    if len(apps) + len(outputs) != len(targets) or len(apps) > 1 or (apps and outputs):
        raise ConfigurationError(
            f"sabot.run takes one app, or outputs, or nothing; got {_described(targets)}"
        )
    if apps:
        apps[0].run()
    elif outputs:
        wanted = [output.output for output in outputs]
        name = default_name(wanted, _script())
        run_outputs(wanted, siblings=collection.outputs, name=name)
    else:
        _run_all(collection)


def _run_all(collection: Collection) -> None:
    if len(collection.apps) > 1:
        apps = ", ".join(repr(app.id) for app in collection.apps)
        names = ", ".join(
            f"{output.node.name!r} of {f'app {output.owner!r}' if output.owner else 'no app'}"
            for output in collection.outputs
        )
        raise ConfigurationError(
            f"several apps are defined; run one of them: sabot.run(app)\n"
            f"  apps: {apps}\n  outputs: {names or 'none'}"
        )
    app: App | None = next(iter(collection.apps), None)
    waiting = collection.waiting()
    if not waiting and collection.outputs:
        raise PlanError(f"there is nothing to run: {len(collection.outputs)} output(s) ran already")
    if app is None:
        worker = Worker(waiting, name=default_name(waiting, _script()))
        _finish(worker, worker.run())
        return
    for output in waiting:
        app.add(OutputStream(output))
    worker = Worker(
        waiting,
        name=app.id,
        tasks=app.tasks,
        actors=app.declared_actors,
        settings=app.worker_settings(),
    )
    app.hosted_by(worker)
    _finish(worker, worker.run())


def _finish(worker: Worker, code: int) -> None:
    if worker.failure is not None:
        raise worker.failure
    if code:
        sys.exit(code)


def _script() -> str:
    """Return the name of the file that was started, without its ending."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file).stem if file else "sabot"


def _described(targets: Sequence[object]) -> str:
    return ", ".join(type(target).__name__ for target in targets)
