"""Augmentations: random changes of training images, and of labels where images are mixed."""
