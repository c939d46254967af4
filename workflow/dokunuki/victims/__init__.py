"""Detectors trained on contaminated rows, how they score and what they cost."""
