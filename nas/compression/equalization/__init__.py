"""Equalisation: channels are rescaled between layers, so that rounding them costs less and the function stays."""
