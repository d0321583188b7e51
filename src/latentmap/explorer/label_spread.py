"""Labels that were given on the page, spread to all images."""

from contextlib import ExitStack
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from latentmap.core.errors import RunError
from latentmap.explorer.answers import BadRequest
from latentmap.explorer.atlas_view import Explored
from latentmap.run import tables
from latentmap.run.labels import only_label, spread_locked
from latentmap.run.lock import locked


def spread(data: Explored) -> dict[str, Any]:
    """Write labels.parquet of the run, and give it in the order of the page.

    Returns
    -------
    dict
        ``file``; ``labels``, how many images have each (``counts``), the label of each image as an index (``codes``, -1
        where none reaches), how many have none (``missing``), and ``warning``, a sentence or None.

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
        "file": path.name,
        "labels": names.tolist(),
        "counts": np.bincount(codes, minlength=len(names)).tolist(),
        "missing": int((~reached).sum()),
        "warning": only_label(given),
        "codes": all_codes[data.order].tolist(),
    }
