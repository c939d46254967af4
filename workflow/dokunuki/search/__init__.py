"""The choice, on clean rows alone, of what the paper leaves open."""
