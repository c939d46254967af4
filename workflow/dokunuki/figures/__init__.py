"""Figures and report pages, made from the metrics table."""
