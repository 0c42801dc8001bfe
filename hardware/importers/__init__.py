"""Importers of public latency tables, one file per format."""
