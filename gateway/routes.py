"""The table of all calls: what the router serves, the keys are held to, and OpenAPI describes."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from gateway.problems import Code
from schemas.api_keys import Scope

_SUBSCRIBER: Final = "/v1/subscribers/{subscriber}"
_SUBSCRIPTIONS: Final = _SUBSCRIBER + "/subscriptions"
_SUBSCRIPTION: Final = _SUBSCRIPTIONS + "/{subscription}"
_EVENT_TYPE: Final = "/v1/event-types/{event_type}"
_JSON: Final = "application/json"
_MERGE_PATCH: Final = "application/merge-patch+json"

PAGE: Final = ("limit", "cursor")
_TRIALS: Final = frozenset({"testSubscription", "testFilter"})


@dataclass(frozen=True, slots=True)
class Request:
    """What a call takes: schema names by media type; `""` is a body of any media type."""

    schemas: tuple[tuple[str, str], ...]
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A status of success and the schema of its body, if it has one."""

    status: HTTPStatus
    schema: str | None = None
    has_etag: bool = False
    has_location: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call. `scope` None needs no key; `group` is its label in metrics."""

    method: str
    path: str
    operation: str
    group: str
    summary: str
    scope: Scope | None
    answers: tuple[Answer, ...]
    request: Request | None = None
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    problems: tuple[Code, ...] = ()

    @property
    def is_configuring(self) -> bool:
        """Whether it writes the registry: everything but reading, trying out and sending."""
        is_reading = self.method == "GET" or self.scope in {None, "events:write"}
        return not is_reading and self.operation not in _TRIALS


def _body(schema: str, *, is_optional: bool = False) -> Request:
    return Request(((_JSON, schema),), is_optional)


_EVENT: Final = Request(
    (
        (_JSON, "Event"),
        ("application/cloudevents+json", "CloudEvent"),
        ("application/cloudevents-batch+json", "CloudEventBatch"),
        ("*/*", "BinaryData"),
    )
)
_EVENT_BATCH: Final = Request(
    ((_JSON, "EventBatch"), ("application/cloudevents-batch+json", "CloudEventBatch"))
)
_INGEST_PROBLEMS: Final = (
    Code.VALIDATION_FAILED,
    Code.SCHEMA_VIOLATION,
    Code.QUOTA_EXCEEDED,
    Code.UNKNOWN,
)
_OK: Final = HTTPStatus.OK
_CREATED: Final = HTTPStatus.CREATED
_NO_CONTENT: Final = Answer(HTTPStatus.NO_CONTENT)
_ACCEPTED: Final = HTTPStatus.ACCEPTED
_MISMATCH: Final = Code.VERSION_MISMATCH

SEND_EVENT: Final = Route(
    method="POST",
    path="/v1/events",
    operation="sendEvent",
    group="events",
    summary="Send one event, or a CloudEvents batch",
    scope="events:write",
    request=_EVENT,
    headers=("Idempotency-Key",),
    answers=(Answer(_ACCEPTED, "SentOrBatch"),),
    problems=_INGEST_PROBLEMS,
)
_EVENTS: Final = (
    SEND_EVENT,
    Route(
        method="POST",
        path="/v1/events/batch",
        operation="sendEvents",
        group="batch",
        summary="Send up to 1,000 events",
        scope="events:write",
        request=_EVENT_BATCH,
        headers=("Idempotency-Key",),
        answers=(Answer(_ACCEPTED, "BatchSent"),),
        problems=_INGEST_PROBLEMS,
    ),
)
_SUBSCRIPTION_ROUTES: Final = (
    Route(
        method="POST",
        path=_SUBSCRIPTIONS,
        operation="createSubscription",
        group="subscriptions",
        summary="Create a subscription",
        scope="subscriptions:write",
        request=_body("SubscriptionBody"),
        answers=(Answer(_CREATED, "NewSubscription", has_etag=True, has_location=True),),
        problems=(Code.VALIDATION_FAILED, Code.URL_NOT_ALLOWED, Code.QUOTA_EXCEEDED),
    ),
    Route(
        method="GET",
        path=_SUBSCRIPTIONS,
        operation="listSubscriptions",
        group="subscriptions",
        summary="List the subscriptions of a subscriber, newest first",
        scope="subscriptions:read",
        query=PAGE,
        answers=(Answer(_OK, "SubscriptionPage"),),
        problems=(Code.VALIDATION_FAILED,),
    ),
    Route(
        method="GET",
        path=_SUBSCRIPTION,
        operation="getSubscription",
        group="subscriptions",
        summary="Show a subscription",
        scope="subscriptions:read",
        answers=(Answer(_OK, "Subscription", has_etag=True),),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="PATCH",
        path=_SUBSCRIPTION,
        operation="patchSubscription",
        group="subscriptions",
        summary="Change a subscription by a merge patch",
        scope="subscriptions:write",
        request=Request(((_MERGE_PATCH, "SubscriptionPatch"), (_JSON, "SubscriptionPatch"))),
        headers=("If-Match",),
        answers=(Answer(_OK, "Subscription", has_etag=True),),
        problems=(
            Code.NOT_FOUND,
            Code.CONFLICT,
            _MISMATCH,
            Code.VALIDATION_FAILED,
            Code.URL_NOT_ALLOWED,
        ),
    ),
    Route(
        method="DELETE",
        path=_SUBSCRIPTION,
        operation="deleteSubscription",
        group="subscriptions",
        summary="Delete a subscription and drop what waits for it",
        scope="subscriptions:write",
        headers=("If-Match",),
        answers=(_NO_CONTENT,),
        problems=(Code.NOT_FOUND, _MISMATCH),
    ),
    Route(
        method="GET",
        path=_SUBSCRIPTION + "/secret",
        operation="getSecret",
        group="subscriptions",
        summary="Show the signing secret",
        scope="subscriptions:write",
        answers=(Answer(_OK, "Secret", has_etag=True),),
        problems=(Code.NOT_FOUND, Code.CONFLICT),
    ),
    Route(
        method="POST",
        path=_SUBSCRIPTION + "/rotate-secret",
        operation="rotateSecret",
        group="subscriptions",
        summary="Replace the signing secret; both sign during the grace",
        scope="subscriptions:write",
        request=_body("RotateBody", is_optional=True),
        headers=("If-Match",),
        answers=(Answer(_OK, "Secret", has_etag=True),),
        problems=(Code.NOT_FOUND, Code.CONFLICT, _MISMATCH, Code.VALIDATION_FAILED),
    ),
    Route(
        method="POST",
        path=_SUBSCRIPTION + "/test",
        operation="testSubscription",
        group="subscriptions",
        summary="Send a test event: one attempt, beside the order, without the filter",
        scope="subscriptions:write",
        request=_body("Nothing", is_optional=True),
        answers=(Answer(_ACCEPTED, "TestSent"),),
        problems=(
            Code.NOT_FOUND,
            Code.CONFLICT,
            Code.VALIDATION_FAILED,
            Code.QUOTA_EXCEEDED,
            Code.UNKNOWN,
        ),
    ),
    Route(
        method="POST",
        path="/v1/filters/test",
        operation="testFilter",
        group="filters",
        summary="Say whether an event would match, and why",
        scope="subscriptions:read",
        request=_body("FilterTestBody"),
        answers=(Answer(_OK, "FilterVerdict"),),
        problems=(Code.NOT_FOUND, Code.VALIDATION_FAILED),
    ),
)
_SUBSCRIBER_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/subscribers",
        operation="listSubscribers",
        group="subscribers",
        summary="List the subscribers that have a record or a subscription, newest first",
        scope="subscriptions:read",
        query=PAGE,
        answers=(Answer(_OK, "SubscriberPage"),),
        problems=(Code.VALIDATION_FAILED,),
    ),
    Route(
        method="GET",
        path=_SUBSCRIBER,
        operation="getSubscriber",
        group="subscribers",
        summary="Show a subscriber",
        scope="subscriptions:read",
        answers=(Answer(_OK, "Subscriber", has_etag=True),),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="PUT",
        path=_SUBSCRIBER,
        operation="putSubscriber",
        group="subscribers",
        summary="Describe a subscriber and set its quota",
        scope="subscriptions:write",
        request=_body("SubscriberBody"),
        headers=("If-Match",),
        answers=(
            Answer(_CREATED, "Subscriber", has_etag=True),
            Answer(_OK, "Subscriber", has_etag=True),
        ),
        problems=(_MISMATCH, Code.VALIDATION_FAILED),
    ),
    Route(
        method="DELETE",
        path=_SUBSCRIBER,
        operation="deleteSubscriber",
        group="subscribers",
        summary="Remove a subscriber; with cascade its subscriptions too",
        scope="subscriptions:write",
        query=("cascade",),
        headers=("If-Match",),
        answers=(_NO_CONTENT,),
        problems=(Code.NOT_FOUND, Code.CONFLICT, _MISMATCH, Code.VALIDATION_FAILED),
    ),
)
_EVENT_TYPE_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/event-types",
        operation="listEventTypes",
        group="event_types",
        summary="List the event types, newest first",
        scope="subscriptions:read",
        query=PAGE,
        answers=(Answer(_OK, "EventTypePage"),),
        problems=(Code.VALIDATION_FAILED,),
    ),
    Route(
        method="GET",
        path=_EVENT_TYPE,
        operation="getEventType",
        group="event_types",
        summary="Show an event type",
        scope="subscriptions:read",
        answers=(Answer(_OK, "EventType", has_etag=True),),
        problems=(Code.NOT_FOUND,),
    ),
    Route(
        method="PUT",
        path=_EVENT_TYPE,
        operation="putEventType",
        group="event_types",
        summary="Describe an event type and how its data is validated",
        scope="admin",
        request=_body("EventTypeBody"),
        headers=("If-Match",),
        answers=(
            Answer(_CREATED, "EventType", has_etag=True),
            Answer(_OK, "EventType", has_etag=True),
        ),
        problems=(_MISMATCH, Code.VALIDATION_FAILED, Code.QUOTA_EXCEEDED),
    ),
    Route(
        method="DELETE",
        path=_EVENT_TYPE,
        operation="deleteEventType",
        group="event_types",
        summary="Delete an event type",
        scope="admin",
        headers=("If-Match",),
        answers=(_NO_CONTENT,),
        problems=(Code.NOT_FOUND, _MISMATCH),
    ),
)
_KEY_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/keys",
        operation="createKey",
        group="keys",
        summary="Make a key; it is shown this once",
        scope="admin",
        request=_body("KeyBody"),
        answers=(Answer(_CREATED, "NewKey", has_etag=True, has_location=True),),
        problems=(Code.NOT_FOUND, Code.VALIDATION_FAILED, Code.QUOTA_EXCEEDED),
    ),
    Route(
        method="GET",
        path="/v1/keys",
        operation="listKeys",
        group="keys",
        summary="List the keys that are not revoked, newest first",
        scope="admin",
        query=PAGE,
        answers=(Answer(_OK, "KeyPage"),),
        problems=(Code.VALIDATION_FAILED,),
    ),
    Route(
        method="DELETE",
        path="/v1/keys/{key}",
        operation="revokeKey",
        group="keys",
        summary="Revoke a key, for good",
        scope="admin",
        headers=("If-Match",),
        answers=(_NO_CONTENT,),
        problems=(Code.NOT_FOUND, _MISMATCH),
    ),
)
_DOCUMENTS: Final = (
    Route(
        method="GET",
        path="/openapi.json",
        operation="getOpenApi",
        group="documents",
        summary="Show this description",
        scope=None,
        answers=(Answer(_OK, "OpenApi"),),
    ),
    Route(
        method="GET",
        path="/docs",
        operation="getDocs",
        group="documents",
        summary="Show this description as a page",
        scope=None,
        answers=(Answer(_OK),),
    ),
)

ROUTES: Final = (
    *_EVENTS,
    *_SUBSCRIPTION_ROUTES,
    *_SUBSCRIBER_ROUTES,
    *_EVENT_TYPE_ROUTES,
    *_KEY_ROUTES,
    *_DOCUMENTS,
)
