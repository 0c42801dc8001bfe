"""Predictors of accuracy (or any other measured value): feature arrays in, means and standard deviations out.

They know neither spaces nor devices: of the rest of the project, this package knows what a registry is.
"""
