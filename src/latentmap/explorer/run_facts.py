"""The facts about a run that the page asks for first, and its edits, as JSON."""

from typing import Any

import numpy as np

from latentmap.core.errors import DamagedError, LatentmapError
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.channel_mixing import channel_facts
from latentmap.explorer.columns import ERRORS
from latentmap.explorer.sprite_sheets import SpriteSheets
from latentmap.images.optional_formats import AUDIO
from latentmap.run.edits import EditedRun

N_TYPICAL = 6  # images in the middle of each group


def facts_of(data: AtlasView, sheets: SpriteSheets) -> dict[str, Any]:
    """The facts about a run, without the edits, which change.

    Raises
    ------
    RunError
        If a file of the run is damaged.
    """
    try:
        return _facts_of(data, sheets)
    except LatentmapError:
        raise
    except (*ERRORS, OSError, AttributeError, RecursionError) as error:
        raise DamagedError(f"{data.path}: a file of the run is damaged ({error})") from error


def _facts_of(data: AtlasView, sheets: SpriteSheets) -> dict[str, Any]:
    return {
        "name": data.path.resolve().name,
        "source": data.run.state["source"]["name"],
        "version": data.version,
        "n": data.n,
        "imageShape": list(data.image_shape),
        "square": list(data.square),
        "levelEnds": data.level_ends,
        "pages": sheets.layout.as_dict(),
        "columns": [one.column.as_dict() for one in data.columns.values()],
        "typical": _typical(data),
        "nBlocks": data.journal.n_blocks,
        "onGraph": data.run.options.groups == "graph",
        "cuts": [{"n": cut.n_clusters, "stability": cut.stability} for cut in data.run.cuts()],
        "hasDecoder": data.run.has_decoder,
        "hasEncoder": data.run.has_encoder,
        "hasPictures": data.run.has_pictures,
        "perplexity": data.run.options.perplexity,
        "soundSuffixes": list(AUDIO.suffixes),
        "weights": _weights(data),
    }


def _weights(data: AtlasView) -> dict[str, float]:
    """The weight of each kind of feature; none if the features cannot be read, which requests report."""
    try:
        return data.weights
    except LatentmapError:
        return {}


def _typical(data: AtlasView) -> dict[str, list[int]]:
    """Images in the middle of each group of the run."""
    if data.run.options.groups != "graph":
        return {}
    known = range(data.n)
    return {
        str(int(one["group"])): [int(image) for image in one["typical"][:N_TYPICAL] if image in known]
        for one in data.run.group_summary()
    }


def facts_with_edits(data: AtlasView, facts: dict[str, Any]) -> dict[str, Any]:
    """The facts about a run together with its edits."""
    return facts | {"edits": edits_as_json(data, data.journal.edited()), "channels": channel_facts(data)}


def edits_as_json(data: AtlasView, edited: EditedRun) -> dict[str, Any]:
    """Edits as JSON can hold them; the columns of edited images are sent separately."""
    return {
        "revision": edited.revision,
        "groups": groups_as_json(edited),
        "labels": edited.labels,
        "marked": {name: int(values.sum()) for name, values in edited.marks.items()},
        "openIssues": data.issues.counts(edited),
        "canUndo": edited.can_undo,
        "canRedo": edited.can_redo,
        "nSetAside": edited.n_set_aside,
    }


def groups_as_json(edited: EditedRun) -> list[dict[str, Any]]:
    """Number, name, place in the tree and size of each group."""
    counts = np.bincount(edited.group[edited.group >= 0], minlength=1)
    return [
        {
            "number": one.number,
            "name": one.name,
            "tree": one.tree,
            "size": int(counts[one.number]) if one.number < len(counts) else 0,
        }
        for one in edited.groups
    ]
