"""Programs to raw rows: features, the table of labels, a folder in worker processes."""
