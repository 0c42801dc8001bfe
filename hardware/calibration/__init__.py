"""Calibration: from latencies of layers to those of networks, by what networks cost besides their layers."""
