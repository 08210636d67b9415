"""What the stack decides before it starts anything."""

import base64
import socket

import pytest

from hooklane.dev.plan import BOOTSTRAP
from hooklane.dev.stack import Options, check_port_free, make_plan, run
from hooklane.exits import CommandFailed


def test_keys_are_new_and_strong() -> None:
    """Two runs share no key; the vault key is 32 bytes, the root key at least 32 characters."""
    one, two = make_plan("k:1", 8080, {}), make_plan("k:1", 8080, {})

    assert one.root_key != two.root_key
    assert one.vault_key != two.vault_key
    assert len(one.root_key) >= 32
    assert len(base64.b64decode(one.vault_key.partition(":")[2])) == 32


def test_ports_differ() -> None:
    """Each admin server has its own, and port 0 chooses one for the API."""
    plan = make_plan("k:1", 0, {})

    assert len(set(plan.admin_ports.values())) == 3
    assert plan.gateway_port > 0


@pytest.mark.parametrize("port", [0, 20_000, 20_002, 8080])
def test_no_port_is_given_twice(port: int) -> None:
    """A port that is drawn is not taken yet, so two draws may meet; one may be the user's own."""
    plan = make_plan("k:1", port, {}, draw_ports=lambda count: list(range(20_000, 20_000 + count)))

    assert len({plan.gateway_port, *plan.admin_ports.values()}) == 4
    assert len(plan.admin_ports) == 3
    assert port in (plan.gateway_port, 0)


def test_a_machine_without_ports_is_said() -> None:
    """One line, no traceback: the user can end what holds them."""
    with pytest.raises(CommandFailed, match=r"^no ports for the services: hardly any is free$"):
        make_plan("k:1", 8080, {}, draw_ports=none_free)


def test_an_outside_kafka_gets_names_of_our_own() -> None:
    """Nothing is mixed into topics that are there, unless the user names a prefix."""
    outside = {BOOTSTRAP: "k:1"}

    assert make_plan("k:1", 1, {}).prefix == "hooklane"
    assert make_plan("k:1", 1, outside).prefix.startswith("hooklane-dev-")
    assert make_plan("k:1", 1, outside | {"HOOKLANE_TOPICS__PREFIX": "mine"}).prefix == "mine"


def test_a_busy_port_is_said_before_anything_starts() -> None:
    """The line names the port and the option that changes it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(CommandFailed, match=rf"port {port} is not free.*--port"):
            run(Options(once=True, port=port, keep=False), {})


def test_a_free_port_passes() -> None:
    """A port that was just in use is free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    check_port_free(port)


def none_free(_count: int) -> list[int]:
    """Draw as on a machine whose ports are all taken."""
    raise OSError("hardly any is free")
