"""May this key do this: 401 without a valid key, 404 for what is foreign, 403 without the scope.

In this order, so that a key which is bound to a subscriber cannot learn what else there is.

A revocation holds as soon as it is read. So a key of the registry counts only as long as the
registry was read a moment ago: a process that was frozen, or cut off from Kafka, knows nothing of
what was revoked meanwhile. The root key, which no revocation concerns, always counts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from aiohttp import hdrs, web

from gateway.auth import Keyring, Principal
from gateway.problems import Code, Problem, RefusedError
from gateway.registry import Shelf
from schemas.api_keys import ApiKeyRecord, Scope

PRINCIPAL: Final = web.RequestKey("principal", Principal)

_UNAUTHORIZED: Final = Problem(
    Code.UNAUTHORIZED, "send a valid key as `Authorization: Bearer <key>`"
)
FOREIGN_SUBSCRIBER: Final = Problem(Code.NOT_FOUND, "there is no such subscriber")
FOREIGN_KEY: Final = Problem(Code.NOT_FOUND, "there is no such key")
UNCERTAIN: Final = Problem(
    Code.UNAVAILABLE, "Kafka is silent: nobody here knows whether this key was revoked; try again"
)


class Revocations(Protocol):
    """What tells whether all revocations are known but for the latest moment's."""

    @property
    def are_known(self) -> bool:
        """Tell whether they are."""
        ...

    async def wait_known(self) -> bool:
        """Wait a bounded time until they are; tell whether they are."""
        ...


class Access:
    """Decides who may come in."""

    def __init__(
        self, keyring: Keyring, keys: Shelf[ApiKeyRecord], revocations: Revocations
    ) -> None:
        self._keyring = keyring
        self._keys = keys
        self._revocations = revocations

    async def admit(
        self, request: web.Request, scope: Scope, *, now_ms: Callable[[], int]
    ) -> Principal:
        """Give who asks, or raise RefusedError; waits a moment when revocations are not known."""
        authorizations = request.headers.getall(hdrs.AUTHORIZATION, [])
        judged = self.judge(authorizations, request.match_info, scope, now_ms=now_ms())
        if judged is UNCERTAIN and await self._revocations.wait_known():
            judged = self.judge(authorizations, request.match_info, scope, now_ms=now_ms())
        if isinstance(judged, Problem):
            raise RefusedError(judged)
        return judged

    def judge(
        self,
        authorizations: Sequence[str],
        place: Mapping[str, str],
        scope: Scope,
        *,
        now_ms: int,
    ) -> Principal | Problem:
        """Give who sent these fields, if he may do at this place what the scope is for."""
        only = authorizations[0] if len(authorizations) == 1 else None
        principal = self._keyring.principal_of(only, now_ms=now_ms)
        if principal is None:
            is_new = not self._revocations.are_known and self._keyring.may_be_new(only)
            return UNCERTAIN if is_new else _UNAUTHORIZED
        if principal.key_id is not None and not self._revocations.are_known:
            return UNCERTAIN
        if hidden := self._hidden(principal, place):
            return hidden
        if not principal.may(scope):
            return Problem(Code.FORBIDDEN, f"the key lacks the scope {scope}")
        return principal

    def _hidden(self, principal: Principal, place: Mapping[str, str]) -> Problem | None:
        """Say what a path names that the key must not see; it looks as if it were not there."""
        if principal.subscriber is None:
            return None
        if "subscriber" in place and not principal.sees(place["subscriber"]):
            return FOREIGN_SUBSCRIBER
        if "key" in place:
            stored = self._keys.find(place["key"])
            if stored is None or not principal.sees(stored.record.subscriber):
                return FOREIGN_KEY
        return None


class Admission:
    """Asks whether a request may come in; kept with it, as a body may come long after its head."""

    def __init__(self, access: Access, scope: Scope, now_ms: Callable[[], int]) -> None:
        self._access = access
        self._scope = scope
        self._now_ms = now_ms

    async def ask(self, request: web.Request) -> Principal:
        """Give who asks, or raise RefusedError."""
        return await self._access.admit(request, self._scope, now_ms=self._now_ms)


ADMISSION: Final = web.RequestKey("admission", Admission)


async def admit_again(request: web.Request) -> None:
    """Refuse a request whose key was revoked while its body was on the way."""
    admission = request.get(ADMISSION)
    if admission is not None and request[PRINCIPAL].key_id is not None:
        await admission.ask(request)


def refuse_bound(principal: Principal) -> None:
    """Refuse a key of one subscriber what concerns all of them."""
    if principal.subscriber is not None:
        detail = "a key that is bound to a subscriber cannot change what all of them share"
        raise RefusedError(Problem(Code.FORBIDDEN, detail))
