"""Families of networks: choices, layer slots, and the operators that join the layers."""
