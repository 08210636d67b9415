"""The command line, the development stack and its embedded Kafka."""
