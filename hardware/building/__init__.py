"""Building of latency tables by a profiler: their measurement and their calibration."""
