"""What happens to a subscription: created, patched, deleted, shown."""

import base64
from typing import cast

import msgspec
import pytest

from chassis.egress import EgressPolicy
from gateway.bodies import SubscriptionBody
from gateway.documents import JsonValue
from gateway.problems import Code, Problem
from gateway.subscriptions import (
    Change,
    Current,
    Rules,
    create,
    delete,
    parse_create,
    patch,
    secret_view,
    view,
)
from schemas.registry import PreviousSecret, SealedFields, SubscriptionRecord

NOW_MS = 1_767_225_600_000
LATER_MS = NOW_MS + 60_000
RULES = Rules(EgressPolicy(), lambda count: b"\x07" * count)
SECRET = "whsec_" + base64.b64encode(b"\x07" * 32).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
URL = "https://example.com/hook"


def as_members(members: dict[str, object]) -> dict[str, JsonValue]:
    """Tell the type checker that a literal is JSON."""
    return cast("dict[str, JsonValue]", members)


def created(**members: object) -> Change:
    """Create a subscription that must be good."""
    body = parse_create(as_members({"url": URL, **members}), RULES)
    assert isinstance(body, SubscriptionBody), body
    return create(body, subscriber="acme", subscription_id="sub_1", now_ms=NOW_MS)


def current(change: Change, *, appended_at: int | None = 777, **over: object) -> Current:
    """Read a change as the next request finds it."""
    raw = {"sealed": "", **change.record, **over}
    record = msgspec.convert(raw, SubscriptionRecord)
    sealed = change.sealed or SealedFields(url=URL, secret=SECRET)
    return Current(record, raw, sealed, appended_at)


def patched(before: Current, **members: object) -> Change:
    """Patch a subscription in a way that must be good."""
    change = patch(before, as_members(members), RULES, now_ms=LATER_MS)
    assert isinstance(change, Change), change
    return change


def refused(before: Current, **members: object) -> Problem:
    """Patch a subscription in a way that must not be good."""
    problem = patch(before, as_members(members), RULES, now_ms=LATER_MS)
    assert isinstance(problem, Problem)
    return problem


def test_a_new_record_has_all_that_readers_need() -> None:
    """What is secret lies in the sealed part only."""
    change = created(headers={"X-A": "b"})

    record = current(change).record
    assert (record.id, record.subscriber, record.version) == ("sub_1", "acme", 1)
    assert (record.status, record.status_reason, record.enabled_at) == ("active", None, None)
    assert record.lane_epoch == record.drop_before
    assert record.created_at == record.updated_at == "2026-01-01T00:00:00.000Z"
    assert change.sealed == SealedFields(url=URL, headers={"X-A": "b"}, secret=SECRET)
    assert not {"url", "headers", "secret"} & change.record.keys()


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"url": "http://example.com/"}, Code.URL_NOT_ALLOWED, "/url"),
        ({"url": "https://localhost/"}, Code.URL_NOT_ALLOWED, "/url"),
        ({"url": "https://10.0.0.1/"}, Code.URL_NOT_ALLOWED, "/url"),
        ({"url": "https://example.com:22/"}, Code.URL_NOT_ALLOWED, "/url"),
        ({"url": "https://u:p@example.com/"}, Code.URL_NOT_ALLOWED, "/url"),
        ({"url": "x" * 3000}, Code.URL_NOT_ALLOWED, "/url"),
        ({"url": None}, Code.VALIDATION_FAILED, "/url"),
        ({"filter": {"typ e": "x"}}, Code.VALIDATION_FAILED, "/filter/typ e"),
        ({"id": "sub_2"}, Code.VALIDATION_FAILED, "/id"),
        ({"colour": "red"}, Code.VALIDATION_FAILED, "/colour"),
        ({"ordering": None}, Code.VALIDATION_FAILED, "/ordering"),
        ({"secret": "whsec_short"}, Code.VALIDATION_FAILED, "/secret"),
        ({"secret": SECRET, "signature": "v1a"}, Code.VALIDATION_FAILED, "/secret"),
    ],
)
def test_a_bad_creation_is_refused_with_its_place(
    members: dict[str, object], code: Code, pointer: str
) -> None:
    """Nothing is created that could not be delivered."""
    problem = parse_create(as_members({"url": URL, **members}), RULES)

    assert isinstance(problem, Problem)
    assert (problem.code, [e.pointer for e in problem.errors]) == (code, [pointer])


def test_secrets_are_made_or_brought() -> None:
    """Each signature has its kind of secret."""
    assert (created().sealed or SealedFields(url="", secret="")).secret == SECRET
    brought = created(secret=OTHER_SECRET).sealed
    asymmetric = created(signature="v1a").sealed
    assert brought is not None
    assert asymmetric is not None
    assert brought.secret == OTHER_SECRET
    assert asymmetric.secret.startswith("whsk_")


@pytest.mark.parametrize(("status", "reason"), [("paused", "manual"), ("disabled", "manual")])
def test_a_subscription_may_begin_paused_or_disabled(status: str, reason: str) -> None:
    """And says that a person wanted it so."""
    record = current(created(status=status)).record

    assert (record.status, record.status_reason) == (status, reason)


def test_a_patch_changes_what_it_names_and_nothing_else() -> None:
    """Fields of a later version survive, so do creation time and what is sealed."""
    before = current(created(description="d"), of_the_future=[1])

    change = patched(before, timeout_s=2.5, event_types=["order.*"])

    assert change.sealed is None
    assert change.record == before.raw | {
        "timeout_s": 2.5,
        "event_types": ["order.*"],
        "version": 2,
        "updated_at": "2026-01-01T00:01:00.000Z",
        "enabled_at": 777,
    }


def test_null_restores_a_default() -> None:
    """Also where the default is not null."""
    before = current(
        created(
            description="d",
            metadata={"a": "1"},
            retry={"schedule_s": [1]},
            ordering="none",
            max_in_flight=3,
            headers={"X-A": "b"},
            rate_limit={"per_second": 1},
        )
    )
    names = ("description", "metadata", "retry", "ordering", "max_in_flight", "headers")

    change = patched(before, rate_limit=None, filter=None, **dict.fromkeys(names))

    fresh = current(created()).raw
    kept = {name: change.record[name] for name in (*names, "rate_limit") if name != "headers"}
    assert kept == {name: fresh[name] for name in kept}
    assert change.sealed is not None
    assert change.sealed.headers == {}


def test_headers_and_metadata_merge_by_name() -> None:
    """Null removes one; names of headers ignore case and take the new spelling."""
    before = current(created(headers={"X-A": "1", "X-B": "2"}, metadata={"a": "1", "b": "2"}))

    change = patched(
        before, headers={"x-a": "9", "X-C": "3"}, metadata={"a": None, "A": "9", "c": "3"}
    )

    assert change.sealed is not None
    assert change.sealed.headers == {"X-B": "2", "x-a": "9", "X-C": "3"}
    assert change.record["metadata"] == {"b": "2", "A": "9", "c": "3"}
    assert patched(before, headers={"X-A": None, "X-B": None}).sealed == SealedFields(
        url=URL, headers={}, secret=SECRET
    )


def test_retry_and_rate_limit_merge_as_json_objects() -> None:
    """As RFC 7396 says; null inside restores that default."""
    before = current(
        created(
            retry={"schedule_s": [1, 2], "max_age_s": 60}, rate_limit={"per_second": 5, "burst": 9}
        )
    )

    change = patched(before, retry={"max_age_s": None}, rate_limit={"burst": None})

    assert change.record["retry"] == {"schedule_s": [1, 2], "max_age_s": 518400}
    assert change.record["rate_limit"] == {"per_second": 5, "burst": None}


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"url": None}, Code.VALIDATION_FAILED, "/url"),
        ({"url": "https://10.0.0.1/"}, Code.URL_NOT_ALLOWED, "/url"),
        ({"version": 2}, Code.VALIDATION_FAILED, "/version"),
        ({"colour": None}, Code.VALIDATION_FAILED, "/colour"),
        ({"filter": []}, Code.VALIDATION_FAILED, "/filter"),
        ({"headers": {"Host": "x"}}, Code.VALIDATION_FAILED, "/headers/Host"),
        ({"headers": []}, Code.VALIDATION_FAILED, "/headers"),
        ({"metadata": "x"}, Code.VALIDATION_FAILED, "/metadata"),
        ({"retry": {"max_age_s": 1}}, Code.VALIDATION_FAILED, "/retry/max_age_s"),
        ({"rate_limit": {"burst": 1}}, Code.VALIDATION_FAILED, "/rate_limit/per_second"),
        ({"secret": "whsec_x"}, Code.VALIDATION_FAILED, "/secret"),
        ({"signature": "v1a", "secret": SECRET}, Code.VALIDATION_FAILED, "/secret"),
    ],
)
def test_a_bad_patch_is_refused_with_its_place(
    members: dict[str, object], code: Code, pointer: str
) -> None:
    """The pointer is that of the patch, which has the shape of the whole."""
    problem = refused(current(created()), **members)

    assert (problem.code, [e.pointer for e in problem.errors]) == (code, [pointer])


def test_a_url_that_is_forbidden_by_now_does_not_block_other_patches() -> None:
    """The egress policy may have changed; pausing must still work."""
    before = current(Change(created().record, SealedFields(url="https://10.0.0.1/", secret=SECRET)))

    assert patched(before, status="paused").record["status"] == "paused"


def test_disabling_drops_what_waits() -> None:
    """R2: a new epoch, and everything before it is dropped; older modes are forgotten."""
    before = current(created(), orderings={"0": "none"}, lane_epoch=4, drop_before=1)

    record = patched(before, status="disabled").record

    assert (record["lane_epoch"], record["drop_before"], record["orderings"]) == (5, 5, {})
    assert record["status_reason"] == "manual"


def test_a_change_of_ordering_lets_the_old_lane_drain() -> None:
    """R2: a new epoch only; the old one keeps its mode."""
    before = current(created(), lane_epoch=4, drop_before=2, orderings={"3": "none"})

    change = patched(before, ordering="none")

    assert change.record["lane_epoch"] == 5
    assert change.record["drop_before"] == 2
    assert change.record["orderings"] == {"3": "none", "4": "strict"}
    assert change.record["ordering"] == "none"


def test_both_at_once_raise_the_epoch_once() -> None:
    """Nothing of the old mode is left to drain."""
    before = current(created())

    record = patched(before, ordering="none", status="disabled").record

    assert (record["lane_epoch"], record["drop_before"], record["orderings"]) == (2, 2, {})


@pytest.mark.parametrize("members", [{"ordering": "strict"}, {"status": "active"}, {}])
def test_a_patch_that_changes_nothing_moves_no_lane(members: dict[str, object]) -> None:
    """Clients like to send everything they know."""
    record = patched(current(created()), **members).record

    assert (record["lane_epoch"], record["drop_before"], record["orderings"]) == (1, 1, {})
    assert record["status_reason"] is None


def test_older_epochs_are_bounded() -> None:
    """A client that toggles for ever would grow the record for ever."""
    orderings = {str(n): "none" for n in range(100)}
    before = current(created(), lane_epoch=100, orderings=orderings)

    assert refused(before, ordering="none").code is Code.CONFLICT
    assert patched(before, status="disabled").record["orderings"] == {}


@pytest.mark.parametrize("status", ["active", "paused"])
def test_re_enabling_is_dated_by_its_own_record(status: str) -> None:
    """Null means the append time of the record that says so; old lanes stay dropped."""
    before = current(created(status="disabled"), lane_epoch=3, drop_before=3, enabled_at=5)

    record = patched(before, status=status).record

    assert record["enabled_at"] is None
    assert (record["lane_epoch"], record["drop_before"]) == (3, 3)


def test_later_versions_carry_the_time_of_enabling() -> None:
    """The first of them takes it from the record before it, the others pass it on."""
    first = patched(current(created(), appended_at=777), description="a")
    second = patched(current(first, appended_at=999), description="b")
    pausing = patched(current(first, appended_at=999), status="paused")

    assert first.record["enabled_at"] == 777
    assert second.record["enabled_at"] == 777
    assert pausing.record["enabled_at"] == 777


def test_resuming_is_not_enabling() -> None:
    """What was accepted during a pause is delivered afterwards."""
    before = current(created(status="paused"), enabled_at=5)

    record = patched(before, status="active").record

    assert (record["enabled_at"], record["status_reason"]) == (5, None)
    assert record["lane_epoch"] == 1


def test_a_new_secret_replaces_the_old_ones_at_once() -> None:
    """Rotation with a grace is another call."""
    sealed = SealedFields(url=URL, secret=SECRET, previous=[PreviousSecret("whsec_old", 1)])
    before = current(Change(created().record, sealed))

    given = patched(before, secret=OTHER_SECRET).sealed
    kept = patched(before, url="https://example.com/b").sealed

    assert given == SealedFields(url=URL, secret=OTHER_SECRET)
    assert kept == SealedFields(
        url="https://example.com/b", secret=SECRET, previous=sealed.previous
    )


@pytest.mark.parametrize("members", [{"signature": "v1a"}, {"signature": "v1a", "secret": None}])
def test_another_signature_brings_a_secret_of_its_kind(members: dict[str, object]) -> None:
    """The answer does not show it; the secret call does."""
    change = patched(current(created()), **members)

    assert change.record["signature"] == "v1a"
    assert change.sealed is not None
    assert change.sealed.secret.startswith("whsk_")


def test_a_deleted_record_still_speaks_to_readers() -> None:
    """It is a version like any other; the tombstone comes later."""
    before = current(created(), of_the_future=1)

    change = delete(before, now_ms=LATER_MS)

    assert change.record == before.raw | {
        "deleted": True,
        "version": 2,
        "updated_at": "2026-01-01T00:01:00.000Z",
        "enabled_at": 777,
    }
    assert change.sealed is None


def test_the_view_shows_no_header_value_and_no_secret() -> None:
    """Whoever may read may not sign, nor use a receiver's credentials."""
    made = created(headers={"Authorization": "Bearer hunter2"}, secret=OTHER_SECRET)

    shown = view(current(made).record, made.sealed)

    assert shown["headers"] == {"Authorization": "***"}
    assert shown["url"] == URL
    assert "hunter2" not in repr(shown)
    assert OTHER_SECRET not in repr(shown)
    assert not {"sealed", "lane_epoch", "drop_before", "orderings", "secret"} & shown.keys()


def test_whole_numbers_are_shown_as_they_were_sent() -> None:
    """5 does not come back as 5.0."""
    shown = view(current(created(timeout_s=20)).record, None)

    assert repr(shown["timeout_s"]) == "20"
    assert repr(shown["retry"]).startswith("{'schedule_s': [5, 300,")


def test_a_record_that_nobody_can_open_says_so() -> None:
    """The vault key is missing; the rest of the record is still worth seeing."""
    shown = view(current(created()).record, None)

    assert (shown["status_reason"], shown["url"], shown["headers"]) == ("vault", None, {})
    assert shown["status"] == "paused"


def test_the_secret_is_shown_with_the_one_that_still_signs() -> None:
    """A receiver must know both during the grace, and not the expired ones."""
    previous = [PreviousSecret("whsec_a", NOW_MS), PreviousSecret("whsec_b", NOW_MS + 1)]
    sealed = SealedFields(url=URL, secret=SECRET, previous=previous)

    assert secret_view(sealed, now_ms=NOW_MS) == {
        "secret": SECRET,
        "previous": {"secret": "whsec_b", "expires_at": "2026-01-01T00:00:00.001Z"},
    }
    assert secret_view(sealed, now_ms=NOW_MS + 1) == {"secret": SECRET}


def test_an_asymmetric_secret_is_shown_with_its_public_key() -> None:
    """That is the half which receivers get."""
    sealed = created(signature="v1a").sealed
    assert sealed is not None

    assert str(secret_view(sealed, now_ms=NOW_MS)["public_key"]).startswith("whpk_")


def test_a_filter_is_kept_as_it_was_sent_until_it_is_patched_away() -> None:
    """Fan-out compiles the document; a patch replaces it as a whole."""
    document = {"data.amount": {"$gte": 100}, "$or": [{"type": "a"}, {"type": "b"}]}
    first = created(filter=document)

    kept = patched(current(first), description="d")
    other = patched(current(kept), filter={"type": "c"})
    gone = patched(current(other), filter=None)

    filters = [one.record["filter"] for one in (first, kept, other, gone)]
    assert filters == [document, document, {"type": "c"}, None]
    assert view(current(first).record, None)["filter"] == document
