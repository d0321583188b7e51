"""Labels that were given on the page, spread to all images."""

from contextlib import ExitStack
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from latentmap.core.errors import RunError
from latentmap.explorer.answers import BadRequest
from latentmap.explorer.atlas_view import AtlasView
from latentmap.run import tables
from latentmap.run.labels import only_label, spread_locked
from latentmap.run.lock import locked


def spread_given_labels(data: AtlasView) -> dict[str, Any]:
    """Write labels.parquet of the run, and return the labels in the order of the points.

    Returns
    -------
    dict
        ``labels``; ``counts``, the number of images with each; ``codes``, the index of each image's label, -1 where
        none reaches it; and ``warning``, a sentence or None.

    Raises
    ------
    HTTPException
        400 if no image has a label, 409 if another process writes to the run.
    """
    edited = data.journal.edited()
    given = np.array([*edited.labels, ""], object)[edited.label]
    if not (edited.label >= 0).any():
        raise BadRequest("no image has a label yet: select some and give them one")
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(data.path))
        except RunError as error:
            raise HTTPException(409, str(error)) from error
        path = spread_locked(data.run, given)
    labels = tables.read_column(path, "label")
    reached = np.array([label is not None for label in labels])
    names, codes = np.unique(labels[reached].astype(str), return_inverse=True)
    all_codes = np.full(len(labels), -1)
    all_codes[reached] = codes
    return {
        "labels": names.tolist(),
        "counts": np.bincount(codes, minlength=len(names)).tolist(),
        "codes": all_codes[data.order].tolist(),
        "warning": only_label(given),
    }
