"""Data-free compression: images that a network's own batch normalisations describe stand in for its data."""
