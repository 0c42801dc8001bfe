"""Checks of an exported file alone, on any machine, by numpy and onnxruntime: against the manifest beside it."""
