"""Self-contained HTML pages of results, which open anywhere and can be sent to anyone."""
