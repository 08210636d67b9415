"""Requests to answers: call the rules, act on what they say."""
