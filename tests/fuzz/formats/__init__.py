"""Every form of input that users hand over."""
