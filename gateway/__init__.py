"""The HTTP side: events in, subscriptions managed."""
