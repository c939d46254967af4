"""Detectors leave the house: as one ONNX graph, held against the original; rows are scored."""
