"""The parts of a run that its report shows, each read once."""

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.autoencoder import Autoencoder
from latentmap.core.missing import missing_mask
from latentmap.images import ImageCollection
from latentmap.run import Run


class ReportData:
    """The parts of a run that both the figures and the page of its report show.

    Parameters
    ----------
    run : Run
        A run whose stages before the report are done.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def collection(self) -> ImageCollection:
        """The images that the map was made of."""
        return self.run.images()

    @cached_property
    def model(self) -> Autoencoder:
        """The trained autoencoder."""
        return self.run.model()

    @cached_property
    def groups(self) -> NDArray[np.int32]:
        """Group of each image (n,), -1 for none."""
        return self.run.groups()

    @cached_property
    def summary(self) -> list[dict[str, Any]]:
        """A description of each group; empty for groups by K-means."""
        return [] if self.run.options.groups == "kmeans" else self.run.group_summary()

    @cached_property
    def duplicates(self) -> pa.Table:
        """Pairs of images that are equal, or nearly."""
        return self.run.duplicates()

    @cached_property
    def outliers(self) -> pa.Table:
        """Isolation and outlier score of each image."""
        return self.run.outliers()

    @cached_property
    def label_counts(self) -> dict[Any, int]:
        """Labels with the number of images that have them, the most frequent first; missing ones are left out."""
        labels = self.collection.labels
        if labels is None:
            return {}
        names, counts = np.unique(labels[~missing_mask(labels)], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return dict(zip(names[order].tolist(), counts[order].tolist(), strict=True))
