"""One background task, from its start to its end."""

import asyncio

from chassis.background import BackgroundTask


async def forever() -> None:
    """Run until cancelled."""
    await asyncio.Event().wait()


async def test_stop_cancels_and_may_be_repeated() -> None:
    """Stopping what never began, what runs and what ended is the same call."""
    task = BackgroundTask("loop", forever)

    await task.stop()
    task.start()
    task.start()
    await task.stop()
    await task.stop()

    assert len(asyncio.all_tasks()) == 1  # this test


async def test_a_crash_is_returned() -> None:
    """Whoever watches learns the very error."""
    error = ValueError("a bug")

    async def crash() -> None:
        raise error

    task = BackgroundTask("loop", crash)
    task.start()

    assert await task.wait_failed() is error


async def test_an_end_without_error_is_a_failure_too() -> None:
    """Work that is not meant to end names itself when it does."""

    async def end() -> None:
        return

    task = BackgroundTask("the loop", end)
    unstarted = await task.wait_failed()
    task.start()

    assert "the loop was not started" in str(unstarted)
    assert "the loop ended" in str(await task.wait_failed())


async def test_a_stop_ends_the_watching() -> None:
    """Who watches a task that is stopped is not left waiting."""
    task = BackgroundTask("loop", forever)
    task.start()
    watching = asyncio.create_task(task.wait_failed())
    await asyncio.sleep(0)

    await task.stop()

    assert isinstance(await watching, asyncio.CancelledError)
