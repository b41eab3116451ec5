"""What can be read from the first bytes of a Kafka request: its type and who sent it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from sabot.errors import ConfigurationError, nearest

__all__ = ["API_KEYS", "RequestHeader", "checked_api", "read_header"]

API_KEYS: Final = {
    "Produce": 0,
    "Fetch": 1,
    "ListOffsets": 2,
    "Metadata": 3,
    "OffsetCommit": 8,
    "OffsetFetch": 9,
    "FindCoordinator": 10,
    "JoinGroup": 11,
    "Heartbeat": 12,
    "LeaveGroup": 13,
    "SyncGroup": 14,
    "DescribeGroups": 15,
    "ListGroups": 16,
    "SaslHandshake": 17,
    "ApiVersions": 18,
    "CreateTopics": 19,
    "DeleteTopics": 20,
    "DeleteRecords": 21,
    "InitProducerId": 22,
    "OffsetForLeaderEpoch": 23,
    "AddPartitionsToTxn": 24,
    "AddOffsetsToTxn": 25,
    "EndTxn": 26,
    "TxnOffsetCommit": 28,
    "DescribeConfigs": 32,
    "SaslAuthenticate": 36,
    "CreatePartitions": 37,
    "DeleteGroups": 42,
    "IncrementalAlterConfigs": 44,
    "DescribeCluster": 60,
    "ConsumerGroupHeartbeat": 68,
    "ConsumerGroupDescribe": 69,
}
"""The requests that clients send, by the protocol's own names."""

_NAMES: Final = {key: name for name, key in API_KEYS.items()}
_FIXED: Final = struct.Struct(">hhih")


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """The beginning of a request.

    Attributes:
        api: Its name, or its number as text where `API_KEYS` has none.
        version: The version of the request's own format.
        correlation_id: The answer carries it too.
        client_id: What the client calls itself.
    """

    api: str
    version: int
    correlation_id: int
    client_id: str | None


def read_header(body: bytes) -> RequestHeader | None:
    r"""Read a request's header; ``None`` where the bytes are no Kafka request.

    Args:
        body: The request without its length.

    Example:
        >>> read_header(b"\x00\x1a\x00\x04\x00\x00\x00\x07\x00\x02me...")
        RequestHeader(api='EndTxn', version=4, correlation_id=7, client_id='me')
        >>> read_header(b"GET /") is None
        True
    """
    if len(body) < _FIXED.size:
        return None
    key, version, correlation, length = _FIXED.unpack_from(body)
    client = None
    if length >= 0:
        client = body[_FIXED.size : _FIXED.size + length].decode("utf-8", "replace")
    return RequestHeader(_NAMES.get(key, str(key)), version, correlation, client)


def checked_api(api: str) -> str:
    """Return the name of a request, as given.

    Raises:
        ConfigurationError: If there is no such request.
    """
    if api not in API_KEYS:
        raise ConfigurationError(
            f"there is no Kafka request {api!r}{nearest(api, API_KEYS)}; known are "
            f"{', '.join(API_KEYS)}"
        )
    return api
