"""Classifiers under attack, and their training."""
