"""A whole small service, to run as a process: `python -m tests.fakes.shop_service`.

It obeys its settings: HOOKLANE_SHOP__FAULT makes one thing go wrong.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, SecretStr

from chassis.admin import AdminServer
from chassis.clock import SystemClock
from chassis.lifecycle import Component, StartRefused, command
from chassis.metrics import LoopLag, make_registry
from chassis.settings import AdminSettings, Section, ServiceSettings


class ShopSettings(Section):
    """What can be asked of the shop."""

    root_key: SecretStr = Field(min_length=8, description="A secret.")
    fault: Literal[
        "none", "refuse", "refuse_build", "signal_build", "crash", "wait", "hang", "block"
    ] = Field(default="none", description="What goes wrong.")


class Shop(ServiceSettings):
    """The settings of the shop."""

    admin: AdminSettings = AdminSettings(host="127.0.0.1", port=0)
    shop: ShopSettings


class Counter:
    """The part that works, or does not."""

    def __init__(self, fault: str) -> None:
        self._fault = fault

    async def start(self) -> None:
        """Come up, or never."""
        if self._fault == "refuse":
            raise StartRefused("topic x is missing; run `hooklane topics apply`")
        if self._fault == "wait":
            sys.stdout.write('{"event":"shop.waiting"}\n')
            sys.stdout.flush()
            await asyncio.Event().wait()

    async def drain(self, deadline_s: float) -> None:
        """Finish, or hang."""
        if self._fault == "hang":
            await asyncio.Event().wait()
        if self._fault == "block":
            threading.Event().wait(deadline_s)  # the fault: a loop that no longer turns

    async def stop(self) -> None:
        """Release nothing."""

    async def wait_failed(self) -> BaseException:
        """Crash at once if asked to."""
        if self._fault != "crash":
            await asyncio.Event().wait()
        return ValueError("the shop is broken")


async def build(settings: Shop) -> Sequence[Component]:
    """Wire the shop."""
    if settings.shop.fault == "refuse_build":
        raise StartRefused("this machine lacks a codec; install aiokafka[lz4]")
    if settings.shop.fault == "signal_build":
        os.kill(os.getpid(), signal.SIGTERM)
    registry = make_registry("shop")
    return [
        AdminServer(settings.admin, checks={}, registry=registry),
        LoopLag(registry, clock=SystemClock()),
        Counter(settings.shop.fault),
    ]


main = command(Shop, build, name="shop")

if __name__ == "__main__":
    sys.exit(main())
