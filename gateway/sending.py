"""Write accepted events into their topic, under a span when tracing is on."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from chassis.kafka import Record
from chassis.tracing import Tracing
from gateway.lines import Done
from gateway.publish import NotPublished, Published, Publisher
from gateway.tracing import begin_sending, sending_error
from schemas.cloudevents import encode_event
from schemas.event import Event
from schemas.topics import partition_of


@dataclass(frozen=True, slots=True)
class EventsTopic:
    """Where accepted events go."""

    name: str
    partitions: int

    def record_of(self, event: Event) -> Record:
        """Make the record that a direct producer would write."""
        key = event.subscriber.encode()
        value, headers = encode_event(event)
        return Record(self.name, partition_of(key, self.partitions), key, value, headers)


class Sending:
    """What the handlers of events write through."""

    def __init__(
        self, publisher: Publisher, topic: EventsTopic, *, tracing: Tracing | None = None
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._tracing = tracing

    def submit(self, event: Event, on_done: Done) -> None:
        """Write one event without a span; `on_done` gets its answer."""
        self._publisher.submit((self._topic.record_of(event),), on_done)

    async def send(
        self, request: web.Request, events: Sequence[Event]
    ) -> Sequence[Published | NotPublished]:
        """Write events of one request; one answer for each, in order."""
        if self._tracing is None or not events:
            return await self._publisher.publish([self._topic.record_of(one) for one in events])
        span = begin_sending(self._tracing, request, events, topic=self._topic.name)
        error: str | None = "cancelled"
        try:
            records = [self._topic.record_of(one) for one in events]  # they carry the span now
            answers = await self._publisher.publish(records)
            error = sending_error(answers)
        finally:
            span.end(error=error)
        return answers
