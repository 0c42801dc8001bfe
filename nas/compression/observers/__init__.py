"""Observers: methods that take the range of an activation from its values on calibration images."""
