"""Profilers, and the workloads that they time."""
