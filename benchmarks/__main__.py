"""Runs every benchmark: ``python -m benchmarks``."""

from benchmarks import reconstruction

if __name__ == "__main__":
    reconstruction.main()
