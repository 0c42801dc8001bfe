"""Measurement of candidates, here or on workers."""
