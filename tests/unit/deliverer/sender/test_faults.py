"""Test whose fault an error is, and what is said about it."""

import errno
import ssl

import pytest

from deliverer.sender.faults import describe_os_error, is_local_fault


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_lack_of_resources_is_our_own_fault(number: int) -> None:
    """So is a lack of local ports."""
    assert is_local_fault(OSError(number, "x"))
    assert is_local_fault(OSError(errno.EADDRNOTAVAIL, "x"))


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ETIMEDOUT])
def test_the_network_and_the_receiver_are_not(number: int) -> None:
    """Nor is TLS, whose error numbers mean something else."""
    assert not is_local_fault(OSError(number, "x"))
    assert not is_local_fault(ssl.SSLError(errno.ENOMEM, "x"))


def test_descriptions_name_the_kind_only() -> None:
    """Hosts and addresses are sealed in the registry and stay out of topics."""
    certificate = ssl.SSLCertVerificationError(1, "x")
    certificate.verify_message = "Hostname mismatch, certificate is not valid for 'a.example'."

    assert describe_os_error(OSError(errno.ECONNREFUSED, "10.0.0.1:443")) == "connection refused"
    assert describe_os_error(certificate) == "certificate: Hostname mismatch"
    assert describe_os_error(ssl.SSLError(1, "a.example")) == "TLS: failed"
    assert describe_os_error(OSError("a.example")) == "the connection failed"
