"""Training of supernets, batch-norm re-calibration and checkpoints."""
