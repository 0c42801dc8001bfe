"""Results: evaluated candidates in an append-only database, Pareto fronts of them, and pages that show them.

Independent of networks, searches and devices.
"""
