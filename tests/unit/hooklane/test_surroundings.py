"""Where downloads are kept, and what tells this machine from others."""

import socket
from pathlib import Path

from hooklane.surroundings import cache_dir, environ, process_space


def test_cache_follows_xdg() -> None:
    """An absolute XDG_CACHE_HOME wins over HOME."""
    assert cache_dir({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/hooklane")


def test_cache_is_below_home_by_default() -> None:
    """Without XDG, and with a relative one as its specification asks, ~/.cache is used."""
    assert cache_dir({"HOME": "/h"}) == Path("/h/.cache/hooklane")
    assert cache_dir({"XDG_CACHE_HOME": "rel", "HOME": "/h"}) == Path("/h/.cache/hooklane")


def test_environ_is_the_process_environment() -> None:
    """PATH is in every process that runs tests."""
    assert environ()["PATH"]


def _proc(folder: Path, boot: str) -> Path:
    """Lay out what is read of /proc."""
    for part in ("sys/kernel/random/boot_id", "self/ns/pid"):
        (folder / part).parent.mkdir(parents=True)
        (folder / part).write_text(f"{boot}\n")
    return folder


def test_a_space_of_processes_is_a_boot_and_a_namespace(tmp_path: Path) -> None:
    """Two containers may share the host name and the network address, but never both of these."""
    here = _proc(tmp_path / "here", "boot-1")
    boot, namespace = _proc(tmp_path / "boot", "boot-2"), _proc(tmp_path / "namespace", "boot-1")
    (boot / "self/ns/pid").unlink()
    (boot / "self/ns/pid").hardlink_to(here / "self/ns/pid")

    spaces = [process_space(proc) for proc in (here, boot, namespace)]

    assert len(set(spaces)) == 3
    assert process_space(here) == spaces[0]
    assert all(space.startswith(f"{socket.gethostname()}-boot-") for space in spaces)


def test_a_space_without_proc_is_the_host_and_its_network_card(tmp_path: Path) -> None:
    """There are systems that have no /proc; a host name is shared more often than both."""
    assert process_space(tmp_path).startswith(f"{socket.gethostname()}-")
    assert "/" not in process_space(tmp_path)
