"""The open vocabulary of operators: what a node of a network is, with its weights, MACs and output shape."""
