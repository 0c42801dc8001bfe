"""What a searcher is: the problem it is given, the candidates it asks for, and what it is told."""
