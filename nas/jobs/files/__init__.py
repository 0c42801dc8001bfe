"""Files that people write, turned into frozen, typed values."""
