"""Quantisers: how the weight of a layer is rounded to codes."""
