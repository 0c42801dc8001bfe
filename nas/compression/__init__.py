"""Compression of plain networks under a policy."""
