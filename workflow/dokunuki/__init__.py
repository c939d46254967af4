"""dokunuki: backdoor poisoning of malware detectors, and what draws the poison out."""
