"""Predictors of accuracy (or any other measured value): feature arrays in, means and standard deviations out.

They know neither spaces nor devices: this package imports nothing else of the project.
"""
