"""Searchers behind ask and tell, and the one loop that drives them."""
