from __future__ import annotations

import sabot
from sabot.app.loader import Target
from sabot.cli.serving import greeting, serve
from sabot.plan.outputs import collecting
from sabot.runtime.exit_codes import ExitCode


def test_the_greeting_names_the_app_its_broker_and_its_pipelines() -> None:
    with collecting():
        app = sabot.App("shop", broker="localhost:9092")
        app.stream("orders").select("id").to_kafka("localhost:9092", "ids")
        text = greeting(Target("shop", app, tuple(app.outputs)))
    assert text == (
        f"sabot {sabot.__version__}, app 'shop'\n"
        "broker localhost:9092\n"
        "  kafka 'orders' (json), group 'shop' at localhost:9092\n"
        "  └─ select-1: id\n"
        "     └─ to_kafka:ids: kafka 'ids' (json, lz4) at localhost:9092"
    )


def test_nothing_left_to_run_is_no_failure() -> None:
    assert serve(Target("shop", None, (), ran=2)) == ExitCode.OK
