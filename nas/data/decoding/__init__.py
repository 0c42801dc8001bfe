"""Decoders: from samples as they are stored to arrays of one shape."""
