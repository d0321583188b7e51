"""Features of images by which those that look alike are near each other: shape, texture, parts and colour."""

from latentmap.features.estimator import ImageFeatures

__all__ = ["ImageFeatures"]
