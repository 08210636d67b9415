"""Tell our own lack of resources from a remote fault, and name errors without naming receivers."""

import errno
import os
import ssl
from typing import Final

_LOCAL_ERRNOS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)


def is_local_fault(error: OSError) -> bool:
    """Say whether an error is this host's own: then the receiver is not charged."""
    return error.errno in _LOCAL_ERRNOS and not isinstance(error, ssl.SSLError)


def describe_os_error(error: OSError) -> str:
    """Describe an error by its kind only, without addresses or names."""
    if isinstance(error, ssl.SSLError):
        return _describe_tls_error(error)
    if error.errno is None:
        return "the connection failed"
    return os.strerror(error.errno).lower()


def _describe_tls_error(error: ssl.SSLError) -> str:
    """Describe by what OpenSSL said; errors that a loop made itself lack those attributes."""
    if isinstance(error, ssl.SSLCertVerificationError):
        message: str = getattr(error, "verify_message", None) or "not valid"
        # What follows the comma names the host, which is sealed in the registry.
        return f"certificate: {message.partition(',')[0]}"[:200]
    return f"TLS: {getattr(error, 'reason', None) or 'failed'}"[:200]
