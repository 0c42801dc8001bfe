"""Latency tables: their values, their files, and the prices that they give."""
