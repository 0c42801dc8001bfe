"""Repair: networks are rounded layer by layer against the original, and what rounding broke is put right."""
