"""Factors of layers of low rank, and the methods that choose them."""
