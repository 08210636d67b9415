"""The ticks of one owner in the simulation: one at a time, and what is done about a lost answer.

The same steps as deliverer/ticking.py, one a call, so that anything can happen between them: the
tick is sent; after an error the group is asked (C4), the claim is renewed, the mark is read (C5).
"""

from enum import StrEnum

from deliverer.policy.items import TickSnapshot
from deliverer.policy.machine import Machine
from tests.simulation import sabotage
from tests.simulation.broker import Broken, Committed
from tests.simulation.world import World


class Phase(StrEnum):
    """How far the tick under way is."""

    NONE = "none"
    SENT = "sent"
    ASKING = "asking"
    ACCEPTED = "accepted"
    CLAIMED = "claimed"
    LANDED = "landed"


class Ticks:
    """Begin ticks and settle their ends; `proven_at` is when the last proof of ownership began."""

    def __init__(self, world: World, owner: int, machine: Machine, last: Committed | None) -> None:
        self.world = world
        self.owner = owner
        self.machine = machine
        self.last = None if last is None else last.mark
        self.phase = Phase.NONE
        self.claim = 0
        self.proven_at = world.now
        self.began_at = world.now
        self.is_in_doubt = False
        self.is_refused = False
        self.needs_reload = False
        self.quarantine: list[int] = []
        self._sent_quarantine: list[int] = []
        self._snapshot: TickSnapshot | None = None
        self._is_half_done = False
        self._head = 0

    @property
    def is_current(self) -> bool:
        """Ask whether no other owner has claimed since."""
        return self.claim == self.world.broker.claim

    def step(self, *, is_forced: bool) -> None:
        """Go one step further; a forced tick is written even when it says nothing new."""
        if self.phase is Phase.NONE:
            self._begin(is_forced=is_forced)
        elif self.phase is Phase.SENT:
            self._send()
        elif self.phase is Phase.ASKING:
            self._ask()
        elif self.phase is Phase.ACCEPTED:
            self._claim_again()
        elif self.phase is Phase.CLAIMED:
            self._read_mark()
        else:
            self._acknowledge()

    def claim_first(self) -> None:
        """Claim before the first tick, at the latest."""
        if not self.claim:
            self.claim = self.world.broker.init_producer(self.owner, self.world.now)

    def land(self) -> bool:
        """Let the broker commit the open transaction; False = it is of a fenced owner."""
        world, snapshot = self.world, self._snapshot
        assert snapshot is not None
        if not self.is_current and world.rules.is_fenced:
            return False
        if not self._is_half_done:
            world.append_outputs(snapshot, self._sent_quarantine)
        if not world.rules.is_atomic and not self._is_half_done:
            self._is_half_done = True
            return True
        world.write_state(snapshot)
        world.broker.proven_at[self.owner] = world.now
        self.phase = Phase.LANDED
        return True

    def _begin(self, *, is_forced: bool) -> None:
        if not (self.machine.has_output or self.quarantine or is_forced):
            return
        self.claim_first()
        self._head = self.machine.head_position
        self._snapshot = self.machine.begin_tick(self.world.now)
        sabotage.snapshot(self.world, self.machine, self._snapshot)
        self._sent_quarantine, self.quarantine = self.quarantine, []
        self.phase, self._is_half_done = Phase.SENT, False
        self.began_at = self.world.now

    def _send(self) -> None:
        dice = self.world.dice
        if not self._is_half_done and dice.chance(self.world.failing):
            if dice.chance(0.4):
                self.land()
            self._doubt("the answer is lost")
        elif not self.is_current and self.world.rules.is_fenced:
            if dice.chance(0.2):  # it may take long to learn of it
                self._doubt("fenced")
        else:
            self.land()

    def _doubt(self, cause: str) -> None:
        self.phase = Phase.ASKING
        self.is_in_doubt = True
        self.world.count("ticks in doubt")
        self.world.note(f"tick in doubt: {cause}")

    def _ask(self) -> None:
        """Ask the group before anything else (C4); without an answer, ask again."""
        world = self.world
        if not world.rules.asks_group:
            self.phase = Phase.ACCEPTED
        elif world.dice.chance(0.2):
            return
        elif world.broker.ask_group(self.owner):
            self._accepted()
        else:
            self.is_refused = True
            world.count("refused by the group")
            world.note("the group refuses")

    def _accepted(self) -> None:
        """Go on as the owner; a first tick could not be told from another owner's (C5)."""
        assert self._snapshot is not None
        is_first = self.last is None or self.last[0] != self._snapshot.term
        if is_first and self.world.rules.doubts_first:
            self.is_refused = True
            self.world.note("the first tick of a term is in doubt")
            return
        self.phase = Phase.ACCEPTED
        self.world.note("the group accepts")

    def _claim_again(self) -> None:
        """Claim anew, which ends the old transaction: until then it may still land (C5)."""
        world = self.world
        mark, _ = world.broker.state()
        assert self._snapshot is not None
        is_open = mark is None or mark.mark != (self._snapshot.term, self._snapshot.tick)
        if is_open and world.dice.chance(0.1):
            self.land()
        self.began_at = world.now
        self.claim = world.broker.init_producer(self.owner, world.now)
        self.phase = Phase.CLAIMED
        self.needs_reload = not world.rules.does_resend

    def _read_mark(self) -> None:
        committed, _ = self.world.broker.state()
        snapshot = self._snapshot
        assert snapshot is not None
        mark = None if committed is None else committed.mark
        if mark == (snapshot.term, snapshot.tick):
            self.phase = Phase.LANDED
        elif mark != self.last and self.world.rules.does_read_mark:
            self.is_refused = True
            self.world.note("another owner ticked")
        else:
            self.phase = Phase.SENT
            self.world.count("ticks sent again")

    def _acknowledge(self) -> None:
        world, snapshot = self.world, self._snapshot
        assert snapshot is not None
        self.machine.committed(world.now)
        self.last = snapshot.term, snapshot.tick
        self.proven_at = self.began_at if world.rules.proves_at_begin else world.now
        self.phase, self._snapshot, self.is_in_doubt = Phase.NONE, None, False
        if (self._head - snapshot.window.w) * 2 > self.machine._state.limits.window_offsets + 16:
            raise Broken("the low mark stands still")
