"""Runs every benchmark: ``python -m benchmarks``."""

from benchmarks import kmeans, reconstruction, tsne

if __name__ == "__main__":
    for benchmark in (kmeans, tsne, reconstruction):
        benchmark.main()
