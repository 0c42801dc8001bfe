"""Analytic costs: exact prices of one layer that need no measurement, one in each file."""
