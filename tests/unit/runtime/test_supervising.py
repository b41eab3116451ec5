from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sabot.actors import ActorSystem, Backoff, Mailbox, RestartLimit, Strategy, Supervision
from sabot.api.stream import Stream
from sabot.errors import ConfigurationError, ProcessingError
from sabot.kafka.source import KafkaSourceConfig
from sabot.plan.nodes import AgentNode, Scan
from sabot.plan.outputs import collecting
from sabot.runtime.agent import AgentActor
from sabot.runtime.build import scan_step
from sabot.runtime.compile import PipelinePlan, compile_outputs
from sabot.runtime.messages import Assigned, Work
from sabot.runtime.progress import Start
from sabot.runtime.supervising import cell_supervision, supervision_of
from sabot.runtime.userloop import UserLoop
from sabot.types import TopicPartition
from tests.records import raw_of, rows
from tests.until import until

P0 = TopicPartition("in", 0)
STRATEGIES = (None, "restart", "resume", "stop", "escalate")
ENDS = (1, "ends")
AGAIN = (3, "again")
PASSED = (3, "passed")
TABLE: dict[str, dict[str | None, tuple[int, str]]] = {
    "Exception": {
        None: ENDS,
        "restart": AGAIN,
        "resume": PASSED,
        "stop": ENDS,
        "escalate": ENDS,
    },
    "BaseException": dict.fromkeys(STRATEGIES, ENDS),
    "cancel": {**dict.fromkeys(STRATEGIES, ENDS), "restart": AGAIN},
    "hang": {**dict.fromkeys(STRATEGIES, ENDS), "restart": AGAIN},
}
"""The table of docs/supervision.md: the position, and what became of the second event."""


@pytest.fixture
def user_loop() -> Iterator[UserLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    user = UserLoop()
    user.attach(loop)
    yield user
    asyncio.run_coroutine_threadsafe(_settle(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


async def _settle() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)  # type: ignore[arg-type]


async def fail(how: str) -> None:
    if how == "Exception":
        raise ValueError("not this one")
    if how == "BaseException":
        raise SystemExit(3)
    if how == "cancel":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.Event().wait()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("how", TABLE)
def test_what_becomes_of_an_event_is_what_the_table_says(
    user_loop: UserLoop, strategy: str | None, how: str
) -> None:
    position, outcome = TABLE[how][strategy]
    seen: list[int] = []

    async def handler(stream: Any) -> None:
        async for event in stream:
            seen.append(event["n"])
            if event["n"] == 2 and seen.count(2) == 1:
                await fail(how)

    policy = {"error_handling_policy": "skip"} if strategy == "resume" else {}
    supervision = Supervision(
        strategy, backoff=Backoff(0.01, 0.01), timeout_seconds=0.2 if how == "hang" else None
    )
    actor = agent(handler, user_loop, supervision, **policy)
    system = ActorSystem()
    ended: list[BaseException] = []
    system.on_escalation(lambda ref, error: ended.append(error))
    ref = system.spawn(actor, Mailbox(100, 10_000), supervision=cell_supervision(supervision))
    try:
        ref.ask(Assigned({P0: Start(0, 1)})).result(10)
        ref.tell(Work(raw_of(rows([{"n": n} for n in (1, 2, 3)])), "in"))
        until(lambda: ended or actor.report().positions["clerk"][P0][1] == 3, what="an outcome")
    finally:
        actor.abandon()
        system.stop(5)
    assert actor.report().positions["clerk"][P0][1] == position
    assert seen == {"ends": [1, 2], "again": [1, 2, 2, 3], "passed": [1, 2, 3]}[outcome]
    assert actor.skipped_count == (1 if outcome == "passed" else 0)
    if outcome == "ends":
        kind = SystemExit if how == "BaseException" else ProcessingError
        assert isinstance(ended[0], kind)


def agent(handler: Any, loop: UserLoop, supervision: Supervision, **options: Any) -> AgentActor:
    scan = Scan(KafkaSourceConfig.from_options("localhost:1", "in", "group", **options))
    return AgentActor(
        "clerk",
        AgentNode(scan, handler, "agent:clerk"),
        [scan_step(scan)],
        owns=lambda tp, epoch: True,
        dead_letters=lambda policy: pytest.fail("no letters here"),
        application="app",
        loop=loop,
        timeout=supervision.timeout_seconds,
    )


def pipeline(**options: Any) -> PipelinePlan:
    with collecting():
        end = Stream.from_kafka("localhost:1", "orders", "g", **options).for_each(print)
    (domain,) = compile_outputs([end.output])
    return domain.pipelines[0]


def test_a_source_says_it_before_the_app() -> None:
    mine, apps = Supervision("restart"), Supervision("stop")
    assert supervision_of(pipeline(supervision=mine), apps) is mine
    assert supervision_of(pipeline(), apps) is apps
    assert supervision_of(pipeline()) == Supervision()


def test_to_resume_takes_a_policy_for_the_records() -> None:
    with pytest.raises(ConfigurationError, match="the record is gone; say where to"):
        supervision_of(pipeline(supervision=Supervision("resume")))
    with pytest.raises(ConfigurationError, match="the record is gone"):
        supervision_of(pipeline(error_handling_policy="retry"), Supervision("resume"))
    plan = pipeline(error_handling_policy="skip", supervision=Supervision("resume"))
    assert supervision_of(plan).strategy is Strategy.RESUME


def test_a_group_is_the_apps_to_say() -> None:
    with pytest.raises(ConfigurationError, match=r"App\(supervision=...\)"):
        supervision_of(pipeline(supervision=Supervision(group="one_for_all")))


def test_sources_of_one_actor_must_agree() -> None:
    with collecting():
        a = Stream.from_kafka("localhost:1", "a", "g", supervision=Supervision("restart"))
        b = Stream.from_kafka("localhost:1", "b", "g", supervision=Supervision("stop"))
        end = a.union(b).for_each(print)
    (domain,) = compile_outputs([end.output])
    with pytest.raises(ConfigurationError, match="different supervisions"):
        supervision_of(domain.pipelines[0])


def test_what_is_no_supervision_is_refused_at_the_source() -> None:
    with pytest.raises(ConfigurationError, match=r"allowed: a sabot\.Supervision"):
        pipeline(supervision="restart")


def test_no_actor_of_records_gives_a_batch_up_by_itself() -> None:
    assert cell_supervision(Supervision("resume")).strategy is None
    assert cell_supervision(Supervision("resume"), resumes=True).strategy is Strategy.RESUME
    assert cell_supervision(Supervision("stop")).strategy is Strategy.ESCALATE
    assert cell_supervision(Supervision("restart")).limit == RestartLimit()
