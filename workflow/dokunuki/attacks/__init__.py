"""Backdoor attacks in feature space: how a trigger is chosen and planted."""
