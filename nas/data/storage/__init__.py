"""Where decoded samples are kept, and processes that decode beside a training."""
