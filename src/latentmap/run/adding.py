"""Images that come later: encoded, grouped and placed on the finished map, which stays as it is."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.autoencoder import Autoencoder
from latentmap.groups.graph import default_neighbors, mean_over_neighbors
from latentmap.images import ImageCollection, SourceError
from latentmap.images.listing import Listing, with_unique_paths
from latentmap.images.sources import Decoding, decode, find_source
from latentmap.images.store import PIXELS, clear_marks, kept_in_cache, open_pixels
from latentmap.neighbors import NeighborSearch
from latentmap.progress import Show, silent
from latentmap.run import files, tables
from latentmap.run.finding import N_NEAREST
from latentmap.run.lock import locked
from latentmap.run.run import Run
from latentmap.run.stages import Work, write_images
from latentmap.run.state import STAGES, RunError, key_of, read_state, write_state
from latentmap.tsne import TSNE

# A new image is strange when it is drawn worse, or lies further from all others, than 99 in 100 of the run's own.
USUAL = 0.99
# Share of strange images from which on the map should be made anew; and of new ones among all.
DUE_STRANGE, DUE_NEW = 0.1, 0.5


@dataclass(frozen=True)
class Addition:
    """What became of a source that was added.

    Attributes
    ----------
    n_added : int
    n_known : int
        Images whose files are in the run already.
    n_skipped : int
    drift : float
        Share of the new images that are drawn worse, or lie further from all others in latent space, than 99 in 100
        of the run's own, for whom it is 0.02 at most.
    is_due : bool
        Whether a fresh run is due: more than a tenth are strange, or more than half of all images were added.
    """

    n_added: int
    n_known: int
    n_skipped: int
    drift: float
    is_due: bool


def add_images(
    path: str | Path,
    source: Any,
    *,
    frames: bool = False,
    finish: Callable[[Path, dict[str, Any]], None],
    show: Show = silent,
) -> Addition:
    """Add images to a finished run, without moving what is there.

    Parameters
    ----------
    path : path
        The folder of the run.
    source, frames
        See :func:`latentmap.open_images`. Images are brought to the shape of the run.
    finish : callable
        Brings the atlas and the report up to date; pass :func:`latentmap.run.make.bring_up_to_date` with its options.
    show : callable, optional
        See :func:`latentmap.run.make_run`.

    Returns
    -------
    Addition

    Raises
    ------
    RunError
        If the run is not finished, or in use.
    SourceError
        If there are no usable images, or they come as arrays of another shape.
    """
    folder = Path(path)
    state = read_state(folder)
    # a report that was interrupted is drawn below
    needed = [stage for stage in STAGES if stage != "report"]
    unfinished = [stage for stage in needed if state["stages"].get(stage, {}).get("state") != "done"]
    if unfinished:
        raise RunError(f"{folder}: {', '.join(unfinished)} not done yet: finish the run, then add to it")
    with locked(folder):
        state = read_state(folder)
        part = folder / files.ADDED / f"{1 + len(state['added']):04d}"
        if part.exists():  # left by an addition that was killed
            shutil.rmtree(part)
        images = _decoded(find_source(source), Run(folder), part, Decoding(frames=frames), show)
        known = _known(folder, images)
        skipped = len(images.skipped)
        images = _keep(images, ~known, part)
        if not len(images):
            shutil.rmtree(part)
            finish(folder, state)  # in case the last time was interrupted after these images
            return Addition(0, int(known.sum()), skipped, 0.0, False)
        state["added"].append(
            {
                "name": images.name,
                "source": str(source) if isinstance(source, str | Path) else None,
                "n": len(images),
                "image_shape": list(images.image_shape),
                "known": int(known.sum()),
                "skipped": skipped,
                "sources": [one._asdict() for one in images.sources],
                "fingerprint": images.fingerprint,
            }
        )
        write_state(folder, state)
        finish(folder, state)
    drift = float(state["added"][-1]["drift"])
    n_new = sum(one["n"] for one in state["added"])
    is_due = drift > DUE_STRANGE or n_new > DUE_NEW * (n_new + state["source"]["n"])
    return Addition(len(images), int(known.sum()), skipped, drift, is_due)


def _decoded(found: Listing | ImageCollection, run: Run, part: Path, decoding: Decoding, show: Show) -> ImageCollection:
    shape = run.shape()
    if isinstance(found, Listing):
        with show("decode") as callback:
            decoded = decode(found, decoding, shape=shape, cache=part / files.CACHE, callback=callback)
    else:
        decoded = kept_in_cache(found, part / files.CACHE)
    if decoded.image_shape != shape.image_shape:
        shutil.rmtree(part)
        raise SourceError(
            f"{found.name}: images of shape {decoded.image_shape}, but the run has {shape.image_shape}: "
            "pass the same kind of images, or make a fresh run"
        )
    return decoded


def _known(folder: Path, images: ImageCollection) -> NDArray[np.bool_]:
    """Which images the run has already, or are there twice, by the SHA-256 of their files."""
    tables_ = [folder / files.IMAGES, *sorted((folder / files.ADDED).glob(f"*/{files.IMAGES}"))]
    seen = {digest for path in tables_ for digest in pq.read_table(path, columns=["sha256"])["sha256"].to_pylist()}
    known = np.zeros(len(images), bool)
    for i, digest in enumerate(images.table["sha256"].to_pylist()):
        known[i] = digest in seen
        seen.add(digest)
    return known


def _keep(images: ImageCollection, kept: NDArray[np.bool_], part: Path) -> ImageCollection:
    """Write the images that are kept, and their table, into the folder of this addition."""
    rows = np.flatnonzero(kept)
    table = with_unique_paths(images.table.take(rows), images.name, _paths(part.parent.parent))
    new = replace(images, images=np.asarray(images.images[rows]), table=table)
    cache = part / files.CACHE
    if len(rows):
        new = replace(new, images=kept_in_cache(ImageCollection.of(new.images, new.name), cache).images)
    clear_marks(cache)
    write_images(part, new)
    return new


def _paths(folder: Path) -> set[str]:
    """The paths of all images that the run has, those of earlier additions included."""
    tables_ = [folder / files.IMAGES, *sorted((folder / files.ADDED).glob(f"*/{files.IMAGES}"))]
    return {name for path in tables_ for name in pq.read_table(path, columns=["path"])["path"].to_pylist()}


def place_again(work: Work, state: dict[str, Any], keys: dict[str, str], say: Callable[[str], None]) -> None:
    """Place what was added anew where the network, the groups or the map have changed since."""
    for number, one in enumerate(state["added"], start=1):
        part = work.folder / files.ADDED / f"{number:04d}"
        if one.get("key") == _key(one, keys) and (part / files.PLACED).exists():
            continue
        one["drift"] = round(_place(work.folder, state, part), 4)
        one["key"] = _key(one, keys)
        write_state(work.folder, state)
        say(f"added/{part.name}: placed again")


def _key(one: dict[str, Any], keys: dict[str, str]) -> str:
    return key_of([one["fingerprint"], *(keys[stage] for stage in ("encode", "group", "map", "find"))])


def _place(folder: Path, state: dict[str, Any], part: Path) -> float:
    """Encode, group and place the images of one addition: placed.parquet. The share of strange ones."""
    n_new = pq.read_metadata(part / files.IMAGES).num_rows
    pixels = open_pixels(part / files.CACHE / PIXELS, (n_new, *state["source"]["image_shape"]))
    model = Autoencoder.load(folder / files.MODEL)
    latents, errors = model.transform_and_score(pixels)
    known = tables.read_column(folder / files.LATENTS, "latent")
    xy = np.column_stack([tables.read_column(folder / files.MAP, name) for name in "xy"])
    perplexity = min(state["options"]["perplexity"], max(1.0, (len(known) - 1) / 3))
    tsne = TSNE.with_map(known, xy, perplexity=perplexity, random_state=state["options"]["seed"])
    search = NeighborSearch(known, "euclidean", None)
    k = max(N_NEAREST, default_neighbors(len(known)))
    indices, distances = search.query(latents, min(k, len(known)), None)
    placed = tsne.transform(latents)
    groups, confidence = _grouped(folder, indices, distances, state["options"]["min_confidence"])
    isolation = distances[:, :N_NEAREST].mean(axis=1)
    usual = tables.read_column(folder / files.OUTLIERS, "isolation")
    usual_errors = tables.read_column(folder / files.LATENTS, "error")
    strange = (errors > np.quantile(usual_errors, USUAL)) | (isolation > np.quantile(usual, USUAL))
    same = distances[:, 0] == 0
    columns = {
        "id": np.arange(n_new),
        "latent": tables.vectors(latents),
        "error": errors,
        "group": groups,
        "confidence": confidence,
        "tree": pa.array([None] * n_new, pa.string()),
        "x": placed[:, 0],
        "y": placed[:, 1],
        "isolation": isolation.astype(np.float32),
        "outlier": pa.array([None] * n_new, pa.float32()),
        "duplicate_of": pa.array(indices[:, 0].astype(np.int64), mask=~same),
        "strange": strange,
        "added": np.full(n_new, int(part.name), np.int16),
    }
    tables.write_table(part / files.PLACED, columns)
    return float(strange.mean())


def _grouped(
    folder: Path, indices: NDArray[np.int32], distances: NDArray[np.floating[Any]], least: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Group of each new image, by the groups of its nearest neighbours, the nearer the more; and its share of them."""
    of_known = tables.read_column(folder / files.GROUPS, "group")
    members = np.zeros((len(of_known), max(1, int(of_known.max()) + 1)), np.float32)
    sure = np.flatnonzero(of_known >= 0)
    members[sure, of_known[sure]] = 1
    shares = mean_over_neighbors(members, indices, distances)
    groups = shares.argmax(axis=1).astype(np.int32)
    confidence = shares.max(axis=1)
    return np.where(confidence < max(least, np.finfo(np.float32).tiny), np.int32(-1), groups), confidence
