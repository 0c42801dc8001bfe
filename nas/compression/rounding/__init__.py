"""Rounding: the codes of the weight of one layer, given what the layer reads."""
