"""K-means clustering (MacQueen 1967, Lloyd 1982)."""

from latentmap.kmeans.estimator import KMeans, KMeansStep

__all__ = ["KMeans", "KMeansStep"]
