"""Searchers compared at equal numbers of evaluations."""
