import asyncio
import os

from aiokafka import AIOKafkaProducer


async def main() -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["KAFKA"], acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        await producer.send_and_wait(
            os.environ.get("EVENTS_TOPIC", "hooklane.events"),
            key=b"acme",  # the subscriber
            value=b'{"order": 4714}',
            headers=[
                ("ce_specversion", b"1.0"),
                ("ce_id", b"order-4714-paid"),
                ("ce_source", b"/shop"),
                ("ce_type", b"order.paid"),
                ("content-type", b"application/json"),
            ],
        )
    finally:
        await producer.stop()


asyncio.run(main())
