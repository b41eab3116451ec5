"""Following one call instruction by instruction, in this thread only.

Python 3.12 and later have ``sys.monitoring`` for it, beside any debugger; before, there
is one place for a tracer, and where that is taken nothing can be followed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Protocol

__all__ = ["Follower", "can_follow", "follow"]


class Follower(Protocol):
    """What wants to know how a call proceeds; it must not raise."""

    def wants(self, frame: FrameType) -> bool:
        """Whether to report the instructions of a frame that begins."""
        ...

    def at(self, frame: FrameType, offset: int) -> None:
        """Take note of the instruction that runs next."""
        ...

    def returned(self, frame: FrameType, value: object) -> None:
        """Take note that a frame ends with this value."""
        ...


_monitoring: Any = getattr(sys, "monitoring", None)


def can_follow() -> bool:
    """Whether `follow` would see anything."""
    return _monitoring is not None or sys.gettrace() is None


def follow(follower: Follower, call: Callable[[], Any]) -> Any:
    """Run ``call`` and report it; whatever was traced before is traced after."""
    if _monitoring is not None:
        return _monitored(follower, call)
    if sys.gettrace() is not None:
        return call()
    sys.settrace(_tracer(follower))
    try:
        return call()
    finally:
        sys.settrace(None)


def _tracer(follower: Follower) -> Callable[[FrameType, str, Any], Any]:
    def begin(frame: FrameType, event: str, value: Any) -> Any:  # noqa: ARG001
        frame.f_trace_lines = False
        frame.f_trace_opcodes = follower.wants(frame)
        return step

    def step(frame: FrameType, event: str, value: Any) -> Any:
        if event == "opcode":
            follower.at(frame, frame.f_lasti)
        elif event == "return":
            follower.returned(frame, value)
        return step

    return begin


_lock = threading.Lock()
_followers: dict[int, Follower] = {}
_instrumented: list[CodeType] = []
_tool: list[int] = []


def _monitored(follower: Follower, call: Callable[[], Any]) -> Any:
    thread = threading.get_ident()
    if thread in _followers or not _open():
        return call()
    _followers[thread] = follower
    try:
        return call()
    finally:
        del _followers[thread]
        _close()


def _open() -> bool:
    """Take a tool's number, of which there are few, unless another thread has."""
    with _lock:
        if _tool:
            _tool.append(_tool[0])
            return True
        for number in (3, 4):
            if _monitoring.get_tool(number) is None:
                break
        else:
            return False
        _monitoring.use_tool_id(number, "sabot")
        _tool.append(number)
        register = _monitoring.register_callback
        register(number, _monitoring.events.PY_START, _begin)
        register(number, _monitoring.events.INSTRUCTION, _instruction)
        register(number, _monitoring.events.PY_RETURN, _return)
        _monitoring.set_events(number, _monitoring.events.PY_START | _monitoring.events.PY_RETURN)
        return True


def _close() -> None:
    with _lock:
        number = _tool.pop()
        if _tool:
            return
        for code in _instrumented:
            _monitoring.set_local_events(number, code, 0)
        _instrumented.clear()
        _monitoring.set_events(number, 0)
        _monitoring.free_tool_id(number)


def _begin(code: CodeType, offset: int) -> None:  # noqa: ARG001
    follower = _followers.get(threading.get_ident())
    if follower is not None and follower.wants(sys._getframe(1)):
        _monitoring.set_local_events(_tool[0], code, _monitoring.events.INSTRUCTION)
        _instrumented.append(code)


def _instruction(code: CodeType, offset: int) -> None:  # noqa: ARG001
    follower = _followers.get(threading.get_ident())
    if follower is not None:
        follower.at(sys._getframe(1), offset)


def _return(code: CodeType, offset: int, value: object) -> None:  # noqa: ARG001
    follower = _followers.get(threading.get_ident())
    if follower is not None:
        follower.returned(sys._getframe(1), value)
