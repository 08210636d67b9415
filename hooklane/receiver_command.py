"""`hooklane receiver`: the demo receiver as a process of its own, until SIGTERM."""

import asyncio
import signal
import sys

from chassis.clock import Clock, SystemClock
from hooklane import surroundings
from hooklane.exits import FAILURE, INVALID, OK, CommandFailed
from hooklane.output import Paint, has_color, report
from hooklane.receiver import Arrival, Receiver, describe
from hooklane.signature import secret_bytes


def run(host: str, port: int, secret: str | None) -> int:
    """Receive and print until the process is told to end."""
    try:
        key = None if secret is None else secret_bytes(secret)
    except ValueError as error:
        raise CommandFailed(INVALID, str(error)) from error
    return asyncio.run(_serve(host, port, key, SystemClock()))


async def _serve(host: str, port: int, key: bytes | None, clock: Clock) -> int:
    paint = Paint(is_on=has_color(sys.stdout, surroundings.environ()))
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def show(arrival: Arrival) -> None:
        try:
            print(describe(arrival, paint), flush=True)
        except BrokenPipeError:  # nobody looks on any more; the delivery is answered all the same
            stop.set()

    receiver = Receiver(key=key, now_s=lambda: clock.now_ms() / 1000, on_arrival=show)
    try:
        chosen = await receiver.start(host, port)
    except OSError as error:
        text = f"cannot listen on {host}:{port} ({error.strerror})"
        raise CommandFailed(FAILURE, text) from error
    report(f"receiver on http://{host}:{chosen}/")
    await stop.wait()
    await receiver.stop()
    sys.stdout.flush()  # one whose reader has gone ends as with any command, not at the very exit
    return OK
