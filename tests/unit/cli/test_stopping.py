from __future__ import annotations

import signal

import pytest

from sabot.cli.stopping import StopSignal


def test_a_signal_is_an_event_to_wait_for() -> None:
    with StopSignal() as stop:
        assert not stop.wait(0.0)
        signal.raise_signal(signal.SIGINT)
        assert stop.wait()
        assert stop.asked


def test_the_second_signal_acts_as_it_used_to() -> None:
    with StopSignal():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignal():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
