from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sabot.api.stream import Stream
from sabot.errors import ActorStoppedError, PlanError, ProcessingError
from sabot.plan.nodes import AgentNode, Scan, ancestors
from sabot.plan.outputs import collecting as collecting_outputs
from sabot.runtime.agent import AgentActor
from sabot.runtime.build import scan_step
from sabot.runtime.faults import TransientFaultError
from sabot.runtime.messages import Assigned, Cut, Released, Work
from sabot.runtime.progress import Start
from sabot.runtime.userloop import UserLoop
from sabot.types import RawBatch, TopicPartition
from tests.records import ReadRecord, raw_of, rows
from tests.until import until

P0, P1 = TopicPartition("in", 0), TopicPartition("in", 1)
R0 = TopicPartition("in-retry", 0)


class Desk:
    """An agent's actor, called as its thread would call it, and a loop on another one."""

    def __init__(self, handler: Callable[..., Any], loop: UserLoop, **options: Any) -> None:
        with collecting_outputs():
            stream = Stream.from_kafka("localhost:1", "in", "group", **options)
        node = AgentNode(stream.node, handler, "agent:clerk")
        other = AgentNode(stream.node, handler, "agent:other")
        scans = [each for each in ancestors(node) if isinstance(each, Scan)]
        self.gone: set[TopicPartition] = set()
        self.actor = AgentActor(
            "clerk",
            node,
            [scan_step(scan) for scan in scans],
            owns=lambda tp, epoch: tp not in self.gone,
            dead_letters=_no_letters,
            application="app",
            loop=loop,
            neighbours=[node, other],
        )
        self.actor.receive_control(Assigned({tp: Start(0, 1) for tp in (P0, P1, R0)}))

    def give(self, raw: RawBatch, topic: str = "in") -> None:
        self.actor.receive(Work(raw, topic))

    def position(self, tp: TopicPartition = P0) -> int:
        return self.actor.report().positions["clerk"][tp][1]


def _no_letters(_policy: object) -> Any:
    raise AssertionError("these tests write nowhere")


@contextmanager
def a_desk(handler: Callable[..., Any], **options: Any) -> Iterator[Desk]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    user = UserLoop()
    user.attach(loop)
    desk = Desk(handler, user, **options)
    try:
        yield desk
    finally:
        desk.actor.abandon()
        desk.actor.stopping()
        asyncio.run_coroutine_threadsafe(_settle(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _settle() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)  # type: ignore[arg-type]


def numbers(*values: Any, partition: int = 0, first: int = 0) -> RawBatch:
    return raw_of(rows([{"n": value} for value in values], partition=partition, first=first))


def collecting(into: list[Any]) -> Callable[..., Any]:
    async def handler(stream: Any) -> None:
        async for event in stream:
            into.append(event["n"])

    return handler


def test_events_come_one_by_one_in_order_over_batches() -> None:
    seen: list[int] = []
    with a_desk(collecting(seen)) as desk:
        desk.give(numbers(1, 2, 3))
        assert desk.position() == 3
        desk.give(numbers(4, first=3))
    assert seen == [1, 2, 3, 4]


def test_the_position_is_behind_the_events_that_are_finished() -> None:
    seen: list[int] = []
    gate = threading.Event()

    async def handler(stream: Any) -> None:
        async for event in stream:
            seen.append(event["n"])
            if event["n"] == 2:
                await asyncio.to_thread(gate.wait, 20)

    with a_desk(handler) as desk:
        taker = threading.Thread(target=desk.give, args=(numbers(1, 2, 3),))
        taker.start()
        until(lambda: seen == [1, 2], what="second event")
        assert desk.position() == 1
        gate.set()
        taker.join(10)
        assert desk.position() == 3


def test_events_left_to_the_next_owner_do_not_move_the_position() -> None:
    seen: list[int] = []

    async def handler(stream: Any) -> None:
        async for event in stream:
            seen.append(event["n"])
            if event["n"] == 2:
                # As in a revoke: the partition may still be committed, but nothing more
                # of it may be begun.
                desks[0].gone.add(P0)

    desks: list[Desk] = []
    raw = raw_of(
        rows([{"n": n} for n in (1, 2, 3, 4)]),
        rows([{"n": 10}], partition=1),
        beyond={P0: 9, P1: 5},
    )
    with a_desk(handler) as desk:
        desks.append(desk)
        desk.give(raw)
        assert seen == [1, 2, 10]
        assert (desk.position(P0), desk.position(P1)) == (2, 5)


def test_what_was_done_before_the_assignment_is_skipped() -> None:
    seen: list[int] = []
    with a_desk(collecting(seen)) as desk:
        desk.actor.receive_control(Assigned({P0: Start(0, 1, {"clerk": 2})}))
        desk.give(numbers(1, 2, 3))
    assert seen == [3]


def test_a_released_partition_has_no_position() -> None:
    with a_desk(collecting([])) as desk:
        desk.actor.receive_control(Released(frozenset({P0})))
        assert P0 not in desk.actor.report().positions["clerk"]
        assert desk.actor.receive_control(Cut(1)).positions["clerk"] == {P1: (1, 0)}


def test_a_handler_that_raises_stops_the_agent_at_that_record() -> None:
    async def handler(stream: Any) -> None:
        async for event in stream:
            if event["n"] == 2:
                raise ValueError("no two")

    with a_desk(handler) as desk:
        with pytest.raises(
            ProcessingError, match=r"'clerk' failed for in\[0\]@1.*no two"
        ) as caught:
            desk.give(numbers(1, 2, 3))
        assert caught.value.fatal
        assert desk.position() == 1


def test_with_skip_the_event_is_passed_over_and_the_handler_started_anew() -> None:
    seen: list[int] = []
    starts: list[int] = []

    async def handler(stream: Any) -> None:
        starts.append(1)
        async for event in stream:
            if event["n"] == 2:
                raise ValueError
            seen.append(event["n"])

    with a_desk(handler, error_handling_policy="skip") as desk:
        desk.give(numbers(1, 2, 3))
        assert desk.position() == 3
        assert desk.actor.skipped_count == 1
    assert (seen, len(starts)) == ([1, 3], 2)


def test_with_retry_the_event_is_handed_out_again_and_no_other() -> None:
    seen: list[int] = []

    async def handler(stream: Any) -> None:
        async for event in stream:
            seen.append(event["n"])
            if event["n"] == 2 and seen.count(2) < 3:
                raise ValueError

    options = {"error_handling_policy": "retry", "retry_backoff_seconds": 0.01}
    with a_desk(handler, **options) as desk:
        desk.give(numbers(1, 2, 3))
        assert desk.position() == 3
    assert seen == [1, 2, 2, 2, 3]


def test_retry_ends_after_its_attempts() -> None:
    async def handler(stream: Any) -> None:
        async for _ in stream:
            raise ValueError

    options: dict[str, Any] = {
        "error_handling_policy": "retry",
        "retry_backoff_seconds": 0.01,
        "max_retry_attempts": 2,
    }
    with a_desk(handler, **options) as desk:
        with pytest.raises(ProcessingError) as caught:
            desk.give(numbers(1))
        assert caught.value.fatal
        assert desk.position() == 0


def test_a_cause_that_may_pass_leaves_the_event_in_hand() -> None:
    seen: list[int] = []

    async def handler(stream: Any) -> None:
        async for event in stream:
            seen.append(event["n"])
            if event["n"] == 2 and seen.count(2) < 2:
                raise ConnectionError("down")

    with a_desk(handler, error_handling_policy="skip") as desk:
        raw = numbers(1, 2, 3)
        with pytest.raises(TransientFaultError):
            desk.give(raw)
        assert desk.position() == 1
        desk.give(raw)
        assert desk.position() == 3
    assert seen == [1, 2, 2, 3]


def test_a_handler_that_returns_has_finished_its_event_and_begins_again() -> None:
    seen: list[int] = []

    async def handler(stream: Any) -> None:
        async for event in stream:
            seen.append(event["n"])
            return

    with a_desk(handler) as desk:
        desk.give(numbers(1, 2))
        desk.give(numbers(3, first=2))
        assert desk.position() == 3
    assert seen == [1, 2, 3]


def test_an_async_generator_is_run_to_its_end() -> None:
    seen: list[int] = []

    async def handler(stream: Any) -> Any:
        async for event in stream:
            seen.append(event["n"])
            yield event

    with a_desk(handler) as desk:
        desk.give(numbers(1, 2))
    assert seen == [1, 2]


def test_what_is_no_coroutine_is_refused() -> None:
    with a_desk(lambda stream: 5) as desk, pytest.raises(PlanError, match="returned int"):
        desk.give(numbers(1))


def test_records_that_cannot_be_decoded_are_skipped_and_counted() -> None:
    seen: list[int] = []
    with a_desk(collecting(seen)) as desk:
        desk.give(raw_of(rows([{"n": 1}, b"\xff", {"n": 2}])))
        assert desk.position() == 3
        assert (desk.actor.skipped_count, desk.actor.records_in) == (1, 2)
    assert seen == [1, 2]


def test_with_fail_nothing_of_a_batch_with_a_bad_record_is_handed_out() -> None:
    seen: list[int] = []
    with a_desk(collecting(seen), error_handling_policy="fail") as desk:
        with pytest.raises(ProcessingError, match=r"in\[0\]@1"):
            desk.give(raw_of(rows([{"n": 1}, b"\xff"])))
        assert desk.position() == 0
    assert seen == []


def test_a_batch_without_events_moves_the_position() -> None:
    with a_desk(collecting([])) as desk:
        desk.give(raw_of(beyond={P0: 7}))
        assert desk.position() == 7


def test_abandoning_gives_the_batch_in_hand_up() -> None:
    begun = threading.Event()
    errors: list[BaseException] = []

    async def handler(stream: Any) -> None:
        async for _ in stream:
            begun.set()
            await asyncio.Event().wait()

    with a_desk(handler) as desk:

        def give() -> None:
            try:
                desk.give(numbers(1, 2))
            except ActorStoppedError as error:
                errors.append(error)

        taker = threading.Thread(target=give)
        taker.start()
        assert begun.wait(10)
        desk.actor.abandon()
        taker.join(10)
        assert len(errors) == 1
        assert desk.position() == 0


def test_the_handler_runs_on_the_loop_it_was_given() -> None:
    threads: list[threading.Thread] = []

    async def handler(stream: Any) -> None:
        async for _ in stream:
            threads.append(threading.current_thread())

    with a_desk(handler) as desk:
        desk.give(numbers(1))
    assert threads[0] is not threading.current_thread()


def sent_back(*steps: str, first: int = 0) -> RawBatch:
    records = [
        ReadRecord(
            json.dumps({"n": number}).encode(), R0, number, extra=(("sabot-step", step.encode()),)
        )
        for number, step in enumerate(steps, first)
    ]
    return raw_of(records)


def test_records_sent_back_are_taken_by_the_agent_they_name_alone() -> None:
    seen: list[int] = []
    with a_desk(collecting(seen), retry_topic="in-retry") as desk:
        assert desk.actor.topics == {"in", "in-retry"}
        desk.give(numbers(10))
        desk.give(sent_back("agent:clerk", "agent:other", "gone", "agent:other"), "in-retry")
        assert (desk.position(), desk.position(R0)) == (1, 4)
        desk.give(sent_back("agent:other", first=4), "in-retry")
        assert desk.position(R0) == 5
    assert seen == [10, 0, 2]


def test_a_batch_of_records_sent_back_is_taken_up_where_it_was_left() -> None:
    seen: list[int] = []

    async def handler(stream: Any) -> None:
        async for event in stream:
            seen.append(event["n"])
            if event["n"] == 2 and seen.count(2) < 2:
                raise ConnectionError("down")

    with a_desk(handler, retry_topic="in-retry") as desk:
        raw = sent_back("agent:clerk", "agent:other", "agent:clerk", "agent:clerk")
        with pytest.raises(TransientFaultError):
            desk.give(raw, "in-retry")
        assert desk.position(R0) == 1
        desk.give(raw, "in-retry")
        assert desk.position(R0) == 4
    assert seen == [0, 2, 2, 3]


def test_events_have_the_key_and_the_headers_that_were_asked_for() -> None:
    seen: list[Any] = []

    async def handler(stream: Any) -> None:
        async for event in stream:
            seen.append(event)

    records = [
        ReadRecord(b'{"n": 1}', P0, 0, b"a", extra=(("h", b"1"),)),
        ReadRecord(b'{"n": 2}', P0, 1, b"\xff"),
        ReadRecord(b"{", P0, 2, b"c"),
        ReadRecord(None, P0, 3, b"d"),
    ]
    with a_desk(handler, key_codec_type="string", headers_column="headers") as desk:
        desk.give(raw_of(records))
        assert desk.position() == 4
        assert desk.actor.skipped_count == 2
    assert seen == [
        {"n": 1, "key": "a", "headers": [{"name": "h", "value": b"1"}]},
        {"value": None, "key": "d", "headers": []},
    ]
