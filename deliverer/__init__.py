"""Signed attempts, in order, with retries through delay topics."""
