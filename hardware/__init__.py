"""Hardware: what a layer costs, counted or measured on a device.

In: layers and policies. Out: bytes, operations and latencies. Knows no searcher and no trained network.
"""
