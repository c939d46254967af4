"""Detectors are exported as one ONNX graph and compared with the original; rows are scored."""
