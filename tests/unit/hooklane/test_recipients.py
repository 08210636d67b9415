"""Who may be sent to again."""

import pytest

from hooklane.exits import INVALID, NOT_FOUND
from hooklane.recipients import Refusal, refusal_of
from schemas.registry import SubscriptionRecord, decode_subscription

RECORD = (
    b'{"id":"sub_1","subscriber":"acme","version":1,"sealed":"","created_at":"","updated_at":""%s}'
)


def record(members: bytes) -> SubscriptionRecord:
    """Return a subscription with these members."""
    read = decode_subscription(RECORD % members)
    assert isinstance(read, SubscriptionRecord)
    return read


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        (b"", None),
        (b',"status":"paused"', None),
        (
            b',"status":"disabled"',
            Refusal(INVALID, "sub_1 is disabled: set its status to active first"),
        ),
        (b',"deleted":true', Refusal(NOT_FOUND, "sub_1 was deleted")),
        (b',"deleted":true,"status":"disabled"', Refusal(NOT_FOUND, "sub_1 was deleted")),
    ],
)
def test_only_who_would_get_it_is_sent_to(members: bytes, refusal: Refusal | None) -> None:
    """A paused subscription keeps what comes."""
    assert refusal_of("sub_1", record(members)) == refusal


def test_one_that_the_registry_does_not_have_is_not_known() -> None:
    """Its record goes a week after the deletion."""
    assert refusal_of("sub_1", None) == Refusal(NOT_FOUND, "sub_1 is not known")
