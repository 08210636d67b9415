"""What `vault reencrypt` decides without a broker; the rotation: tests/integration."""

import base64

import pytest

from hooklane import vault_command
from hooklane.exits import INVALID, NETWORK, CommandFailed

KEY = "k1:" + base64.b64encode(b"k" * 32).decode()
NOWHERE = {"HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "HOOKLANE_VAULT__KEYS": KEY}


@pytest.mark.parametrize("missing", sorted(NOWHERE))
def test_missing_settings_are_named(missing: str) -> None:
    """One line names the variable; exit 4."""
    variables = {name: value for name, value in NOWHERE.items() if name != missing}

    with pytest.raises(CommandFailed, match=missing) as caught:
        vault_command.run(variables, "table", is_dry=True)

    assert caught.value.code == INVALID


def test_no_broker_is_a_network_failure() -> None:
    """Exit 5 and one line with the address, at once."""
    with pytest.raises(CommandFailed, match=r"no Kafka at 127\.0\.0\.1:1") as caught:
        vault_command.run(NOWHERE, "table", is_dry=True)

    assert caught.value.code == NETWORK
