"""Elastic networks in torch: the only part of the search spaces that imports it."""
