import { Kafka, Partitioners } from "kafkajs";

const kafka = new Kafka({ clientId: "shop", brokers: [process.env.KAFKA] });
const producer = kafka.producer({
  createPartitioner: Partitioners.DefaultPartitioner, // murmur2; never LegacyPartitioner
  idempotent: true,
});
await producer.connect();
await producer.send({
  topic: process.env.EVENTS_TOPIC ?? "hooklane.events",
  acks: -1,
  messages: [
    {
      key: "acme", // the subscriber
      value: JSON.stringify({ order: 4716 }),
      headers: {
        ce_specversion: "1.0",
        ce_id: "order-4716-paid",
        ce_source: "/shop",
        ce_type: "order.paid",
        "content-type": "application/json",
      },
    },
  ],
});
await producer.disconnect();
