"""Observers: how the range of an activation is taken from what flows through a network."""
