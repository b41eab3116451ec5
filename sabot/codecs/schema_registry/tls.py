"""What a failed TLS handshake means: which side does not trust the other, and what to do."""

from __future__ import annotations

import ssl

__all__ = ["tls_refusal"]

_OURS = (
    "ALERT_ACCESS_DENIED",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_HANDSHAKE_FAILURE",
    "ALERT_UNKNOWN_CA",
    "ALERT_UNSUPPORTED_CERTIFICATE",
)
"""How a server says that it does not take the client's certificate, or misses one."""


def tls_refusal(error: BaseException) -> str | None:
    """Return why two sides do not trust each other and what to do, or ``None``.

    Trust is a matter of settings: it does not pass by waiting. A connection that breaks
    within a handshake does.

    Args:
        error: What the HTTP package raised; its causes are looked at.

    Example:
        >>> print(tls_refusal(ssl.SSLError(1, "the connection broke off")))
        None
    """
    cause = _cause(error)
    if cause is None:
        return None
    if isinstance(cause, ssl.SSLCertVerificationError):
        said = getattr(cause, "verify_message", cause)
        return (
            f"its certificate is not trusted ({said}); give the file of the "
            "authority that signed it as schema_registry_ssl_ca"
        )
    reason = getattr(cause, "reason", None) or ""
    if reason.endswith(_OURS):
        said = reason.partition("ALERT_")[2].replace("_", " ").lower()
        return (
            f"it does not take this client ({said}); give a certificate it trusts as "
            "schema_registry_ssl_cert, and its key as schema_registry_ssl_key"
        )
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return "it does not speak TLS there; write http:// in schema_registry_url, or name its port"
    return None


def _cause(error: BaseException) -> ssl.SSLError | None:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        if isinstance(found, ssl.SSLError):
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return None
