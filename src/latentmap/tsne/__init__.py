"""t-distributed stochastic neighbour embedding (van der Maaten and Hinton 2008)."""

from latentmap.tsne.estimator import TSNE, MapProgress

__all__ = ["TSNE", "MapProgress"]
