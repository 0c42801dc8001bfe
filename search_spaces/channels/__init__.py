"""Which channels of a network belong together, found from its graph, and the graph without some of them."""
