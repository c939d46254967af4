"""What classifiers, defences and attacks have in common: parameters, making, saving."""
