"""Layouts: how samples and labels lie in files, one file of code for each."""
