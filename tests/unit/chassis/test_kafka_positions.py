"""What a consumer had to skip."""

import pytest
from aiokafka.consumer.fetcher import OffsetResetStrategy
from aiokafka.consumer.subscription_state import Assignment

from chassis.kafka_positions import GuardedState

EARLIEST = OffsetResetStrategy.EARLIEST


@pytest.fixture
async def state() -> GuardedState:
    """Give the state of a partition that was just assigned."""
    return GuardedState(Assignment(set()))


async def test_a_log_that_begins_above_the_position_is_a_loss(state: GuardedState) -> None:
    """As often as it happens."""
    state.seek(3)
    state.await_reset(EARLIEST)
    state.reset_to(7)

    assert state.skipped == range(3, 7)
    assert state.position == 7


async def test_a_first_position_skips_nothing(state: GuardedState) -> None:
    """A group without an offset begins where the log begins."""
    state.await_reset(EARLIEST)
    state.reset_to(7)

    assert not state.skipped


async def test_a_log_that_was_cut_at_its_end_skips_nothing(state: GuardedState) -> None:
    """It begins below: everything that is left is read again."""
    state.seek(30)
    state.await_reset(EARLIEST)
    state.reset_to(7)

    assert not state.skipped


async def test_a_seek_after_the_fall_forgets_it(state: GuardedState) -> None:
    """A takeover that lasted longer than the fall has counted the loss, and seeks behind it."""
    state.reset_to(1)
    state.await_reset(EARLIEST)
    state.reset_to(3)
    state.seek(3)

    assert not state.skipped


async def test_a_seek_in_between_forgets_the_fall(state: GuardedState) -> None:
    """Whoever seeks knows where to; a position that is lost is found lost again."""
    state.seek(3)
    state.await_reset(EARLIEST)
    state.seek(5)
    state.consumed_to(6)

    assert not state.skipped
