"""Tasks: what labels mean, and the loss by which networks learn them."""
