"""Fine-tuning of given networks with their quantisers."""
