"""Allocators: which policy each layer takes, so that the damage is least within budgets. They know no torch."""
