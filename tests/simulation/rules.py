"""The rules a run can do without, to see that the judge notices: the ablations.

`CARRIES` maps every row of PROTOCOL's table that carries weight to its switch; `BEYOND` are the
rules that came later, or that the model PROTOCOL was checked with did not have.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Rules:
    """What holds in a run; one switched off should break a promise in some schedule."""

    puts_cursor_back: bool = True
    skips_lagging: bool = True
    keeps_live_records: bool = True
    keeps_held: bool = True
    is_atomic: bool = True
    is_fenced: bool = True
    is_claim_first: bool = True
    does_drop: bool = True
    does_resend: bool = True
    does_read_mark: bool = True
    keeps_lane_done: bool = True
    keeps_done: bool = True
    keeps_tier_done: bool = True
    does_wait_for_dead: bool = True
    keeps_terms: bool = True
    covers_recorded: bool = True
    hands_over: bool = True
    waits_until_due: bool = True
    does_confirm: bool = True
    doubts_first: bool = True
    keeps_cursors: bool = True
    keeps_rate: bool = True
    keeps_breaker: bool = True
    keeps_failing: bool = True
    asks_group: bool = True
    holds_in_doubt: bool = True
    obeys_lease: bool = True
    proves_at_begin: bool = True
    renews_lease: bool = True
    needs_registry: bool = True
    distrusts_answers: bool = True
    asks_before_writing: bool = True
    raises_marks: bool = True
    releases_lost: bool = True
    expires_paused: bool = True

    @classmethod
    def without(cls, name: str | None) -> "Rules":
        """Return all rules but one."""
        return cls() if name is None else cls(**{name: False})

    @property
    def missing(self) -> str | None:
        """Return the name of a rule that is switched off, if there is one."""
        return next((rule.name for rule in fields(self) if not getattr(self, rule.name)), None)


CARRIES: dict[str, str] = {
    "cursor put back on eviction (E1)": "puts_cursor_back",
    "head reader skips a lagging lane (H4)": "skips_lagging",
    "lane record iff held or low < w (deleted as soon as live)": "keeps_live_records",
    "held in the same tick's lane record": "keeps_held",
    "tick atomic (outputs first, then state)": "is_atomic",
    "commits of a fenced owner refused": "is_fenced",
    "InitProducerId before reading state": "is_claim_first",
    "lane epoch / drop_before": "does_drop",
    "failed tick re-sent (C5)": "does_resend",
    "but only after reading the mark (C5)": "does_read_mark",
    "lane done set": "keeps_lane_done",
    "done set of the partition": "keeps_done",
    "done set per tier": "keeps_tier_done",
    "strict: dead letter committed before the next": "does_wait_for_dead",
    "zombie stops at a later term's tier record": "keeps_terms",
    "done covers lanes with a record": "covers_recorded",
    "finished set handed to a lagging lane (H3)": "hands_over",
    "due check": "waits_until_due",
}

BEYOND: dict[str, str] = {
    "a takeover confirms its term before it acts": "does_confirm",
    "an owner whose first tick is in doubt takes over again (C5)": "doubts_first",
    "lagging lanes get a record (C2)": "keeps_cursors",
    "rate limit": "keeps_rate",
    "breaker (B4)": "keeps_breaker",
    "a streak of failures outlasts its owner": "keeps_failing",
    "the group is asked before a claim (C4)": "asks_group",
    "nothing starts while a tick is in doubt (C4)": "holds_in_doubt",
    "nothing starts without a fresh lease (C6)": "obeys_lease",
    "the lease counts from the begin of the tick (C6)": "proves_at_begin",
    "a tick renews the lease when an attempt wants to start (C6)": "renews_lease",
    "nothing starts while the registry is silent (C6)": "needs_registry",
    "what is known is as old as the answer before the last (C6)": "distrusts_answers",
    "the lease is asked once more before bytes are written (C6)": "asks_before_writing",
    "marks raised to the beginning of the logs, and that counted (takeover, 4)": "raises_marks",
    "a hold is released when retention took its record": "releases_lost",
    "records beyond max_age expire also of paused lanes (L3)": "expires_paused",
}
