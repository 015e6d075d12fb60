"""Solved classifiers for other tools: ONNX files and model cards."""
