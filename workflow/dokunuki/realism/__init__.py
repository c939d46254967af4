"""How real the simulated corpus is, against real rows."""
