"""Loading what ``sabot worker`` and ``sabot run`` are pointed at.

A target is written ``module``, ``module:app``, ``path/file.py`` or ``path/file.py:app``.
Outputs that are defined while it is loaded, in the file or in what it imports, belong to
it; nothing runs by being loaded, except what the file itself runs.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sabot.app.user_line import user_line
from sabot.errors import AppLoadError, nearest
from sabot.plan.nodes import Scan, ancestors
from sabot.plan.outputs import Collection, Output, collecting

if TYPE_CHECKING:
    from sabot.app.app import App

__all__ = ["Target", "default_name", "load_target"]


@dataclass(frozen=True, slots=True)
class Target:
    """What was found.

    Attributes:
        name: The app's id; without an app the consumer group.
        app: The app, where there is one.
        outputs: The outputs that are still to be run.
        ran: How many outputs ran while the target was loaded.
    """

    name: str
    app: App | None
    outputs: tuple[Output, ...]
    ran: int = 0

    @property
    def tasks(self) -> tuple[Callable[[], Any], ...]:
        """What is to run beside the outputs: the app's tasks."""
        return tuple(self.app.tasks) if self.app is not None else ()


@dataclass(frozen=True, slots=True)
class _Place:
    """A target as it was written."""

    text: str
    module: str | None
    file: Path | None
    attribute: str | None

    @property
    def stem(self) -> str:
        return self.file.stem if self.file else str(self.module).rpartition(".")[2]


def load_target(text: str, *, as_main: bool = False) -> Target:
    """Import a module or file, and return the app or the outputs it defines.

    The current folder is put on ``sys.path``, for a file its own folder too.

    Args:
        text: The target.
        as_main: Execute a file as ``__main__``, as ``python file.py`` does. It then
            stays the process's ``__main__``, and ``SystemExit`` passes through.

    Raises:
        AppLoadError: If there is no such module, file or app, if it raises while it is
            loaded (with the line of its own code), if it defines nothing that can be
            run, or more than one app and none is named.
    """
    place = _parse(text)
    _put_on_path(Path.cwd())
    with collecting() as collection:
        module = _load(place, as_main=as_main)
        # Inside the block: an app looks for its outputs in the open collection.
        app = _choose_app(place, module, collection)
        return _target(place, app, collection)


def default_name(outputs: Sequence[Output], fallback: str) -> str:
    """Return the id of outputs without an app: their consumer group, if they have one.

    Args:
        outputs: The outputs.
        fallback: The id where they read with several groups, or with none.
    """
    groups = {
        group
        for output in outputs
        for node in ancestors(output.node)
        if isinstance(node, Scan) and (group := getattr(node.source, "group_id", None))
    }
    return str(groups.pop()) if len(groups) == 1 else fallback


# --- finding and executing ------------------------------------------------------------


def _parse(text: str) -> _Place:
    name, attribute = text, None
    # The colon of a drive letter is no separator, nor is one in front of a folder.
    left, colon, right = text.rpartition(":")
    if colon and left and not text.endswith(".py"):
        name, attribute = left, right
    if attribute is not None and not attribute.isidentifier():
        raise AppLoadError(
            f"cannot load {text!r}: {attribute!r} is no name; "
            "write module, module:app, file.py or file.py:app"
        )
    if name.endswith(".py"):
        file = Path(name)
        if not file.is_file():
            raise AppLoadError(f"cannot load {text!r}: there is no file {name!r}{_near_file(file)}")
        return _Place(text, None, file.resolve(), attribute)
    if not all(part.isidentifier() for part in name.split(".")):
        hint = f"; did you mean {name + '.py'!r}?" if Path(name + ".py").is_file() else ""
        raise AppLoadError(
            f"cannot load {text!r}: {name!r} is neither a module nor a .py file{hint}"
        )
    return _Place(text, name, None, attribute)


def _load(place: _Place, *, as_main: bool) -> ModuleType:
    if place.file is None:
        return _import(place, str(place.module))
    _put_on_path(place.file.parent)
    return _execute(place, place.file, "__main__" if as_main else place.stem)


def _import(place: _Place, name: str) -> ModuleType:
    # A module written a moment ago may be newer than what the finders remember.
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        wanted = error.name is not None and f"{name}.".startswith(f"{error.name}.")
        if wanted and user_line(error) is None:
            raise _not_found(place, name, error.name or name) from None
        raise _raised(place, error) from error
    except SystemExit as error:
        raise _exited(place, error) from error
    except Exception as error:
        raise _raised(place, error) from error


def _execute(place: _Place, file: Path, name: str) -> ModuleType:
    known = sys.modules.get(name)
    if name != "__main__" and known is not None and not _is_file(known, file):
        raise AppLoadError(
            f"cannot load {place.text!r}: it would hide the module {name!r} that is loaded "
            "already; give the file another name"
        )
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    if name == "__main__":
        # As under `python file.py`; with a spec, a child process would import it by name.
        module.__spec__ = None
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        if name == "__main__":
            raise
        raise _exited(place, error) from error
    except Exception as error:
        if name != "__main__":
            del sys.modules[name]
        raise _raised(place, error) from error
    return module


def _is_file(module: ModuleType, file: Path) -> bool:
    known = getattr(module, "__file__", None)
    return known is not None and Path(known).resolve() == file


def _put_on_path(folder: Path) -> None:
    entry = str(folder)
    if entry not in sys.path:
        sys.path.insert(0, entry)


# --- what was found -------------------------------------------------------------------


def _choose_app(place: _Place, module: ModuleType, collection: Collection) -> App | None:
    named = _apps(module)
    if place.attribute is not None:
        return _named_app(place, module, named, collection)
    found: dict[int, App] = {id(app): app for app in named.values()}
    if not found:
        found = {id(app): app for app in collection.apps}
    if len(found) > 1:
        raise AppLoadError(
            f"cannot load {place.text!r}: it defines {len(found)} apps; name one of them, "
            f"such as {_example(place, named)!r}{_listing(named, collection)}"
        )
    return next(iter(found.values()), None)


def _named_app(
    place: _Place, module: ModuleType, named: Mapping[str, App], collection: Collection
) -> App:
    attribute = str(place.attribute)
    missing = object()
    value: Any = getattr(module, attribute, missing)
    apps = ", ".join(repr(name) for name in named) or "none"
    if value is missing:
        near = nearest(attribute, named) or nearest(attribute, vars(module))
        raise AppLoadError(
            f"cannot load {place.text!r}: {place.stem!r} has no attribute {attribute!r}{near}"
            f"\n  its apps: {apps}"
        )
    if attribute not in named:
        raise AppLoadError(
            f"cannot load {place.text!r}: {attribute!r} is of type "
            f"{type(value).__name__}, not an App\n  its apps: {apps}"
        )
    stray = [output for output in collection.outputs if output.owner is None]
    if stray and len({id(app) for app in named.values()}) > 1:
        raise AppLoadError(
            f"cannot load {place.text!r}: it defines several apps, and outputs that belong to "
            f"none of them; give each to its app by app.add(output)"
            f"{_listing(named, collection)}"
        )
    return named[attribute]


def _target(place: _Place, app: App | None, collection: Collection) -> Target:
    from sabot.api.stream import OutputStream

    outputs = list(collection.outputs)
    if app is not None:
        for output in outputs:
            if output.owner is None:
                app.add(OutputStream(output))
        outputs = [output for output in outputs if output.owner == app.id]
        # Made before, where the module had been imported already.
        outputs += [output for output in app.outputs if output not in outputs]
    if app is None and not outputs:
        raise AppLoadError(
            f"cannot load {place.text!r}: it defines neither an App nor an output; an output "
            "is made by to_kafka(...) or for_each(...)"
        )
    waiting = tuple(output for output in outputs if not output.started)
    name = app.id if app is not None else default_name(outputs, place.stem)
    return Target(name, app, waiting, ran=len(outputs) - len(waiting))


def _apps(module: ModuleType) -> dict[str, App]:
    from sabot.app.app import App

    return {name: value for name, value in vars(module).items() if isinstance(value, App)}


# --- messages -------------------------------------------------------------------------


def _listing(named: Mapping[str, App], collection: Collection) -> str:
    apps = [f"{name!r} (id {app.id!r})" for name, app in named.items()]
    apps = apps or [f"id {app.id!r}" for app in collection.apps]
    outputs = [
        f"{output.node.name!r} of {'app ' + repr(output.owner) if output.owner else 'no app'}"
        for output in collection.outputs
    ]
    return f"\n  apps: {', '.join(apps)}\n  outputs: {', '.join(outputs) or 'none'}"


def _example(place: _Place, named: Mapping[str, App]) -> str:
    return f"{place.text}:{next(iter(named), 'app')}"


def _raised(place: _Place, error: BaseException) -> AppLoadError:
    line = user_line(error)
    where = f"\n  {line}" if line else ""
    text = str(error).strip() or "(no message)"
    if isinstance(error, SyntaxError):
        # Its own text repeats the place.
        text = error.msg
    return AppLoadError(
        f"cannot load {place.text!r}: it raised {type(error).__name__}: {text}{where}"
    )


def _exited(place: _Place, error: SystemExit) -> AppLoadError:
    line = user_line(error)
    where = f"\n  {line}" if line else ""
    return AppLoadError(
        f"cannot load {place.text!r}: it ended the process while it was loaded "
        f"(exit code {error.code!r}); to execute a script use: sabot run{where}"
    )


def _not_found(place: _Place, name: str, missing: str) -> AppLoadError:
    folder, _, last = missing.rpartition(".")
    there = Path.cwd().joinpath(*folder.split(".")) if folder else Path.cwd()
    names = [
        f"{folder}.{path.stem}" if folder else path.stem
        for path in sorted(there.glob("*"))
        if path.suffix == ".py" or path.is_dir()
    ]
    whole = "" if missing == name else f" (of {name!r})"
    near = nearest(missing, names) if last else ""
    return AppLoadError(
        f"cannot load {place.text!r}: there is no module {missing!r}{whole}, neither here nor "
        f"installed{near}\n  here: {Path.cwd()}"
    )


def _near_file(file: Path) -> str:
    try:
        names = [path.name for path in file.parent.glob("*.py")]
    except OSError:
        return ""
    near = nearest(file.name, names)
    return near and f"{near} (in {file.parent.as_posix()!r})"
