"""Analytic costs: exact costs of one layer that need no measurement, one in each file."""
