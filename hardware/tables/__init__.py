"""Latency tables: their entries, their files, and the costs of networks by them."""
