"""Commands that talk to Kafka, on a listener that wants a user and a password."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sabot.cli.main import main
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka

pytestmark = pytest.mark.slow

LOGIN = """\
# as alice
security.protocol=SASL_PLAINTEXT
sasl.mechanism = PLAIN

sasl.username=alice
sasl.password=alice-secret
"""


class Login:
    """Runs commands as a user."""

    def __init__(self, kafka: Kafka, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = folder / "login"
        self.file.write_text(LOGIN)
        self._kafka = kafka
        self._capsys = capsys

    def __call__(self, *arguments: str, config: tuple[str, ...] = ()) -> str:
        done = self.try_to(*arguments, "--config", str(self.file), config=config)
        assert done[0] == ExitCode.OK, done
        return done[1]

    def try_to(self, *arguments: str, config: tuple[str, ...] = ()) -> tuple[int, str, str]:
        self._capsys.readouterr()
        more = [part for each in config for part in ("--config", each)]
        code = main([*arguments, "--broker", self._kafka.sasl_bootstrap, *more])
        done = self._capsys.readouterr()
        return code, done.out, done.err


@pytest.fixture
def login(kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Login:
    return Login(kafka, tmp_path, capsys)


def test_a_record_is_sent_and_seen(kafka: Kafka, login: Login) -> None:
    topic = kafka.create_topic(kafka.unique("t"))
    login("send", topic, '{"n": 1}')
    said = login("tail", topic, "--from-beginning", "--limit", "1", "--json")
    assert json.loads(said)["value"] == {"n": 1}


def test_dead_letters_are_counted_shown_replayed_and_remembered(kafka: Kafka, login: Login) -> None:
    source, dead = kafka.unique("in"), kafka.create_topic(kafka.unique("dead"))
    kafka.create_topic(source)
    headers: list[tuple[str, bytes | None]] = [
        ("sabot-source-topic", source.encode()),
        ("sabot-source-partition", b"0"),
        ("sabot-error-class", b"builtins.KeyError"),
    ]
    kafka.produce(dead, [{"n": 1}], headers=headers)
    assert "KeyError" in login("dlq", "ls", dead)
    assert '{"n": 1}' in login("dlq", "show", dead)
    login("dlq", "replay", dead, "--to-source")
    assert [json.loads(each.value()) for each in kafka.read_all(source)] == [{"n": 1}]
    login("dlq", "replay", dead, "--to-source")
    assert len(kafka.read_all(source)) == 1
    assert len(kafka.read_all(f"{dead}-sabot-replayed")) == 1


def test_offsets_are_set(kafka: Kafka, login: Login) -> None:
    topic, group = kafka.create_topic(kafka.unique("t"), 1), kafka.unique("g")
    kafka.produce(topic, [{"n": n} for n in range(3)])
    login("reset-offsets", group, topic, "--to", "2")
    assert kafka.committed(group, topic) == {0: 2}


def test_the_last_of_a_name_counts_and_a_wrong_password_is_no_secret_told(
    kafka: Kafka, login: Login
) -> None:
    topic = kafka.create_topic(kafka.unique("t"))
    wrong = (str(login.file), "sasl.password=open sesame")
    code, _, said = login.try_to("send", topic, '{"n": 1}', config=wrong)
    assert code == ExitCode.USAGE
    assert "alice" in said
    assert "sesame" not in said
    assert kafka.read_all(topic) == []
