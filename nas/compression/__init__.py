"""Compression of trained networks under a policy: quantisers, observers, sensitivities and allocation."""
