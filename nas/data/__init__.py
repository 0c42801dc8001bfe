"""Image data sets in memory."""
