"""Search spaces over architectures and compression policies; genes on one side, candidates on the other."""
