"""With which probabilities the policies of layers are drawn, from the curvature of the loss."""
