"""The attacker's own model of the clean training rows, and its explanation."""
