"""The reference benchmark: all attacks against all defences, in order."""
