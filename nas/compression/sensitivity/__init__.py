"""Sensitivity metrics: how much damage each policy of a layer does, layer by layer."""
