"""Runs every benchmark: ``python -m benchmarks``."""

from benchmarks import (
    anomaly,
    audit,
    collections,
    curve,
    groups,
    kmeans,
    reconstruction,
    scale,
    small,
    training,
    tsne,
    whole,
)

if __name__ == "__main__":
    for benchmark in (
        kmeans,
        tsne,
        reconstruction,
        training,
        curve,
        collections,
        anomaly,
        audit,
        groups,
        small,
        whole,
        scale,
    ):
        benchmark.main()
