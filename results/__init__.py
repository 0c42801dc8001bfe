"""In: evaluated candidates. Out: an append-only database, Pareto fronts, a page. Knows no network, search or device."""
