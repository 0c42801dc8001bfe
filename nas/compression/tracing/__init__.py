"""Given networks: any torch module as a graph of operators, compressed layer by layer."""
