"""Building: from a profiler to a table that is measured and calibrated."""
