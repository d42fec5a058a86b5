"""Trained models for other runtimes: ONNX."""
