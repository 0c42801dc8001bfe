"""Calibration: what a network costs besides its layers."""
