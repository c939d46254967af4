"""Defences, fitted on contaminated rows alone."""
