"""The development stack: Kafka, topics, the three services and a receiver on one machine."""
