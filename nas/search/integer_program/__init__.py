"""Additive costs minimised exactly, by integer programs over the genes of a space."""
