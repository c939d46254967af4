"""Neural networks: how they are trained, and the two kinds that are."""
