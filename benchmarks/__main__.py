"""Runs every benchmark: ``python -m benchmarks``."""

from benchmarks import anomaly, collections, curve, groups, kmeans, reconstruction, scale, small, training, tsne, whole

if __name__ == "__main__":
    for benchmark in (kmeans, tsne, reconstruction, training, curve, collections, anomaly, groups, small, whole, scale):
        benchmark.main()
