"""t-distributed stochastic neighbour embedding (van der Maaten and Hinton 2008)."""

from sklearn.manifold import TSNE

__all__ = ["TSNE"]
