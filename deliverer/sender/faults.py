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
    if isinstance(error, ssl.SSLCertVerificationError):
        # What follows the comma names the host, which is sealed in the registry.
        return f"certificate: {error.verify_message.partition(',')[0]}"[:200]
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'failed'}"[:200]
    if error.errno is None:
        return "the connection failed"
    return os.strerror(error.errno).lower()
