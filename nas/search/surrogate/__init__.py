"""Models of costs that are fitted to the outcomes of a search, and the choice of candidates by them."""
