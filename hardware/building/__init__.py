"""Building: a profiler makes a table that is measured and calibrated."""
