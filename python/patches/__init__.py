"""From a network that says 0.50 of everything to a working estimator, step by step."""
