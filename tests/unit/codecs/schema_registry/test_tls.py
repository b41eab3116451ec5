from __future__ import annotations

import ssl

import pytest

from sabot.codecs.schema_registry.tls import tls_refusal


def raised(reason: str) -> Exception:
    """Return an error as the HTTP package raises it, from what OpenSSL said."""
    cause = ssl.SSLError(1, f"[SSL: {reason}] said")
    cause.reason = reason
    error = ConnectionError("wrapped")
    error.__cause__ = RuntimeError("between")
    error.__cause__.__context__ = cause
    return error


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "(certificate required)"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "(handshake failure)"),
        ("TLSV1_ALERT_UNKNOWN_CA", "(unknown ca)"),
        ("WRONG_VERSION_NUMBER", "does not speak TLS"),
    ],
)
def test_what_settings_must_mend_is_named(reason: str, said: str) -> None:
    assert said in (tls_refusal(raised(reason)) or "")


def test_what_may_pass_by_itself_is_no_refusal() -> None:
    assert tls_refusal(raised("UNEXPECTED_EOF_WHILE_READING")) is None
    assert tls_refusal(TimeoutError("late")) is None


def test_causes_that_go_round_in_a_circle_end() -> None:
    one, other = ValueError(), ValueError()
    one.__context__, other.__context__ = other, one
    assert tls_refusal(one) is None
