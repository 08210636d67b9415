"""Name how one attempt ended (CONTRACT §7)."""

from enum import StrEnum


class Outcome(StrEnum):
    """The closed list of ends an attempt can have; also a metric label."""

    DELIVERED = "delivered"
    HTTP_3XX = "http_3xx"
    HTTP_4XX = "http_4xx"
    HTTP_410 = "http_410"
    HTTP_429 = "http_429"
    HTTP_5XX = "http_5xx"
    TIMEOUT = "timeout"
    CONNECT_ERROR = "connect_error"
    CONNECTION_LOST = "connection_lost"
    TLS_ERROR = "tls_error"
    DNS_ERROR = "dns_error"
    PROTOCOL_ERROR = "protocol_error"
    BLOCKED = "blocked"
    ABORTED = "aborted"
    CANCELLED = "cancelled"
    LOCAL_FAULT = "local_fault"
