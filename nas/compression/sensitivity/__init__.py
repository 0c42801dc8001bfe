"""Sensitivity metrics: the damage of each policy of each layer, without measuring whole networks."""
