"""What is studied: the configuration, the catalogue, the grid, and what jobs depend on."""
