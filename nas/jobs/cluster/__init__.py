"""Jobs that are carried out on a Ray cluster."""
