"""Predictors of accuracy (or any other measured value): feature arrays in, means and standard deviations out.

Independent of spaces and devices: of the rest of the project, this package uses only `search_spaces.registry`.
"""
