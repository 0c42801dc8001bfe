"""The append-only database of runs and their evaluations, in SQLite or PostgreSQL."""
