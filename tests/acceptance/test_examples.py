"""Each example is run, as its first lines say."""

from __future__ import annotations

from pathlib import Path

import pytest

from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import ROOT, Command

pytestmark = pytest.mark.slow

TESTED = {
    "api/basic_streaming.py",
    "quickstart.py",
    "router.py",
    "fraud/app.py",
    "fraud/audit.py",
    "fraud/generator.py",
    "fraud/transactions.py",
}
"""Those of ``fraud`` by test_demo.py."""


def tail(broker: str, topic: str, limit: int) -> list[str]:
    """Return the values of a topic's first records, sorted."""
    arguments = ("tail", topic, "--from-beginning", "--limit", str(limit), "--broker", broker)
    with Command(*arguments) as command:
        assert command.ends() == ExitCode.OK, str(command)
    return sorted(line.partition("  -  ")[2] for line in command.out.splitlines())


def send(broker: str, topic: str, value: str) -> None:
    with Command("send", topic, value, "--broker", broker) as command:
        assert command.ends() == ExitCode.OK, str(command)


def test_no_example_is_forgotten() -> None:
    folder = ROOT / "examples"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    assert {name for name in found if Path(name).name != "__init__.py"} == TESTED


def test_basic_streaming_needs_no_broker() -> None:
    with Command("examples/api/basic_streaming.py", python=True) as example:
        assert example.ends() == ExitCode.OK, str(example)
    assert "3 of 5 orders are over 100:" in example.out
    assert "over 100 and of type A: [{'id': 3, 'type': 'A', 'amount': 1200.0}]" in example.out
    assert example.out.endswith(
        "each priced order:\n"
        "  order 2: 25000 cents, 50.00 tax\n"
        "  order 3: 120000 cents, 240.00 tax\n"
        "  order 4: 99000 cents, 198.00 tax\n"
    )


def test_the_quickstart_writes_large_orders_with_their_tax() -> None:
    with Command("broker", "--port", "0") as host:
        broker = host.line("127.0.0.1:")
        send(broker, "orders", '{"id": 1, "amount": 2500.0}')
        send(broker, "orders", '{"id": 2, "amount": 10.0}')
        send(broker, "large-orders", '"it exists"')
        with Command("run", "examples/quickstart.py", environment={"SABOT_BROKER": broker}) as run:
            run.line("kafka 'large-orders'")
            found = tail(broker, "large-orders", 2)
            run.terminate()
            assert run.ends() == ExitCode.OK, str(run)
    assert found == ['"it exists"', '{"id": 1, "amount": 2500.0,"tax":500.0}'], found


def test_the_router_sends_each_order_to_its_region() -> None:
    orders = [f'{{"id": {number}, "region": "{name}"}}' for number, name in enumerate(
        ("eu", "us", "asia", "mars")
    )]  # fmt: skip
    with Command("broker", "--port", "0") as host:
        broker = host.line("127.0.0.1:")
        for order in orders:
            send(broker, "orders", order)
        arguments = ("worker", "examples/router.py")
        with Command(*arguments, environment={"SABOT_BROKER": broker}) as worker:
            worker.line("elsewhere")
            found = [
                tail(broker, f"orders-{name}", 1) for name in ("eu", "us", "asia", "elsewhere")
            ]
            worker.terminate()
            assert worker.ends() == ExitCode.OK, str(worker)
    # Bytes untouched: no branch changes a column.
    assert found == [[order] for order in orders]
