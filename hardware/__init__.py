"""Hardware: what layers and networks cost, counted or measured on a device.

Independent of searchers and of trained weights.
"""
