import os

from confluent_kafka import Producer

producer = Producer(
    {
        "bootstrap.servers": os.environ["KAFKA"],
        "partitioner": "murmur2_random",  # librdkafka's own default puts keys elsewhere
        "enable.idempotence": True,
    }
)
failures = []
producer.produce(
    os.environ.get("EVENTS_TOPIC", "hooklane.events"),
    key="acme",  # the subscriber
    value='{"order": 4715}',
    headers={
        "ce_specversion": "1.0",
        "ce_id": "order-4715-paid",
        "ce_source": "/shop",
        "ce_type": "order.paid",
        "content-type": "application/json",
    },
    on_delivery=lambda error, _: failures.append(error) if error else None,
)
if producer.flush(30) or failures:
    raise SystemExit(f"not delivered: {failures}")
