"""Audit of a collection: duplicates, outliers, bad pictures, odd files, wrong labels and leaks, from arrays."""
