"""Measured metrics: what is said of a network after it has seen labelled images, and how sure that is."""
