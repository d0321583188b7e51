"""Frozen image encoders in ONNX files, run by onnxruntime."""

from latentmap.encoder.estimator import ImageEncoder

__all__ = ["ImageEncoder"]
