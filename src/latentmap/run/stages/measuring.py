"""metrics.json: how well a run reconstructs, groups and maps its images."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentmap.core.missing import missing_mask
from latentmap.images import ImageCollection
from latentmap.metrics import (
    clustering_report,
    density_validity,
    map_report,
    silhouette,
)
from latentmap.run import tables
from latentmap.run.channel_records import CHANNEL_ERRORS
from latentmap.run.layout import GROUPS, LATENTS, MAP, SUMMARY
from latentmap.run.stages.group_stage import fit_kmeans


def measure(folder: Path, images: ImageCollection, points: NDArray[np.float32]) -> dict[str, float | None]:
    """The metrics of a run by name; None where one is undefined.

    Parameters
    ----------
    folder : Path
        A run whose images are grouped and mapped.
    images : ImageCollection
    points : array (n, d), float32
        The latent vectors or features by which the images were grouped and mapped.
    """
    groups = tables.read_column(folder / GROUPS, "group")
    xy = np.column_stack([tables.read_column(folder / MAP, name) for name in "xy"])
    near = min(15, (len(xy) - 1) // 2)
    sure = groups >= 0 if (groups >= 0).any() else np.ones(len(groups), bool)
    found: dict[str, float] = {}
    if "error" in tables.column_names(folder / LATENTS):
        errors = tables.read_column(folder / LATENTS, "error")
        found["reconstruction_error"] = float(errors.mean(dtype=np.float64))
    found |= {
        "n_groups": len(np.unique(groups[groups >= 0])),
        "unsure": float((groups < 0).mean()),
        "silhouette": silhouette(points[sure], groups[sure]),
        "density_validity": density_validity(points, groups),
        **map_report(points, xy, n_neighbors=near),
    }
    if CHANNEL_ERRORS in tables.column_names(folder / LATENTS):
        by_channel = tables.read_column(folder / LATENTS, CHANNEL_ERRORS).mean(axis=0, dtype=np.float64)
        names = [f"reconstruction_error_{one.name}" for one in images.channels]
        found |= dict(zip(names, by_channel.tolist(), strict=True))
    summary = folder / SUMMARY
    if summary.exists():
        found["stability"] = json.loads(summary.read_bytes())["stability"]
    labels = images.labels
    labelled = np.zeros(len(groups), bool) if labels is None else ~missing_mask(labels)
    if summary.exists() and found["n_groups"] > 1:  # as one group, K-means says nothing
        plain = fit_kmeans(points, int(found["n_groups"]), 3, 0).labels_
        found["kmeans_silhouette"] = silhouette(points, plain)
        if labels is not None and labelled.any():
            found |= {f"kmeans_{name}": value for name, value in clustering_report(labels, plain).items()}
    if labels is not None and (labelled & sure).any():
        found |= clustering_report(labels[sure], groups[sure])
    return {name: value if np.isfinite(value) else None for name, value in found.items()}
