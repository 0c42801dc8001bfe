"""One step of a training: its images, its subnets, their losses and gradients, and the update of the weights."""
