"""Measured metrics: values computed from the outputs of a network for labelled images, and their standard errors."""
