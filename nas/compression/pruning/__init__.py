"""Structured pruning of given networks: channels that are coupled, which matter least, and networks without them."""
