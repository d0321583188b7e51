"""Placing added images on the map of a run: they are encoded, grouped and put beside their neighbours.

Where the places of the run were given, their scale is not that of t-SNE, and an added image gets the mean of the places
of its nearest neighbours.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.autoencoder import Autoencoder, ImageDecoder
from latentmap.features import ImageFeatures
from latentmap.groups.graph import default_neighbors, mean_over_neighbors
from latentmap.neighbors import NeighborSearch
from latentmap.run import layout, tables
from latentmap.run.channel_records import CHANNEL_ERRORS, channel_errors, dtype_of, mixing_of
from latentmap.run.checking import reading
from latentmap.run.finding import N_NEAREST
from latentmap.run.given import unit_vectors
from latentmap.run.given.vector_files import vectors_of_addition
from latentmap.run.run import mapped_pixels
from latentmap.run.state import added_folders, key_of, write_state
from latentmap.run.work import Work
from latentmap.tsne import TSNE

# A new image is strange when its error or its isolation is above this quantile of the run's own images.
USUAL = 0.99


def place_additions(work: Work) -> None:
    """Place additions that are not placed yet, or whose network, groups or map have changed since."""
    state = work.state
    parts = added_folders(work.folder, state)
    if all(_is_placed(part, one, work.keys) for part, one in zip(parts, state["added"], strict=True)):
        return
    work.set_aside("report")
    parts = added_folders(work.folder, state)
    for number, (part, one) in enumerate(zip(parts, state["added"], strict=True), start=1):
        if _is_placed(part, one, work.keys):
            continue
        one["drift"] = round(place_images(work, part, number), 4)
        one["key"] = _placement_key(one, work.keys)
        write_state(work.folder, state)
        work.say(f"added/{part.name}: placed again")


def _is_placed(part: Path, one: dict[str, Any], keys: dict[str, str]) -> bool:
    return one.get("key") == _placement_key(one, keys) and (part / layout.PLACED).exists()


def _placement_key(one: dict[str, Any], keys: dict[str, str]) -> str:
    given = [one["vectors"]["sha256"]] if "vectors" in one else []
    return key_of(
        [one["fingerprint"], *given, *(keys[stage] for stage in ("encode", "features", "group", "map", "find"))]
    )


def place_images(work: Work, part: Path, number: int) -> float:
    """Encode, group and place the images of one addition: placed.parquet. Return the fraction of strange ones.

    Parameters
    ----------
    work : Work
        Work on a run whose stages before the report are done.
    part : Path
        The folder of the addition.
    number : int
        The position of the addition among all, from 1.
    """
    folder, options = work.folder, work.options
    with reading(part / layout.IMAGES):
        n_new = pq.read_metadata(part / layout.IMAGES).num_rows
    source = work.state["source"]
    pixels = mapped_pixels(part, (n_new, *source["image_shape"]), dtype_of(source))
    latents, errors = _encode(work, part, pixels)
    known, points = work.points, latents
    if options.features == "visual":
        points = ImageFeatures.load(folder / layout.MODEL).transform(pixels)
    elif options.metric == "cosine":
        points = unit_vectors(latents)
    xy = np.column_stack([tables.read_column(folder / layout.MAP, name) for name in "xy"])
    search = NeighborSearch(known, "euclidean", None)
    k = max(N_NEAREST, default_neighbors(len(known)))
    indices, distances = search.query(points, min(k, len(known)), None)
    if work.state.get("places") is not None:
        placed = mean_over_neighbors(xy, indices[:, :N_NEAREST], distances[:, :N_NEAREST])
    else:
        perplexity = options.perplexity_for(len(known))
        placed = TSNE.with_map(known, xy, perplexity=perplexity, random_state=options.seed).transform(points)
    groups, confidence = _groups_of_neighbors(folder, indices, distances, options.min_confidence)
    isolation = distances[:, :N_NEAREST].mean(axis=1)
    usual = tables.read_column(folder / layout.OUTLIERS, "isolation")
    strange = isolation > np.quantile(usual, USUAL)
    if errors is not None:
        usual_errors = tables.read_column(folder / layout.LATENTS, "error")
        strange |= errors > np.quantile(usual_errors, USUAL)
    same = distances[:, 0] == 0
    by_channel = _channel_errors(work, pixels)
    columns = {
        "id": np.arange(n_new),
        "latent": tables.vectors(latents),
        **({} if errors is None else {"error": errors}),
        "group": groups,
        "confidence": confidence,
        "tree": pa.array([None] * n_new, pa.string()),
        "x": placed[:, 0],
        "y": placed[:, 1],
        "isolation": isolation.astype(np.float32),
        "outlier": pa.array([None] * n_new, pa.float32()),
        "duplicate_of": pa.array(indices[:, 0].astype(np.int64), mask=~same),
        "strange": strange,
        "added": np.full(n_new, number, np.int16),
    }
    if by_channel is not None:
        columns[CHANNEL_ERRORS] = tables.vectors(by_channel)
    if options.features == "visual":
        columns["features"] = tables.vectors(points)
    tables.write_table(part / layout.PLACED, columns)
    return float(strange.mean())


def _channel_errors(work: Work, pixels: NDArray[Any]) -> NDArray[np.float32] | None:
    """Reconstruction error of each image in each channel (n, c); None without channels or without an autoencoder."""
    source = work.state["source"]
    if work.has_vectors or mixing_of(source) is None:
        return None
    return channel_errors(Autoencoder.load(work.folder / layout.MODEL, device=work.device), source, pixels)


def _encode(work: Work, part: Path, pixels: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Latent vectors of added images, and their reconstruction errors if the run has a decoder."""
    if work.has_vectors:
        vectors = vectors_of_addition(part)
        if not work.options.decoder:
            return vectors, None
        decoder = ImageDecoder.load(work.folder / layout.MODEL, device=work.device)
        return vectors, decoder.score_samples(vectors, pixels)
    return Autoencoder.load(work.folder / layout.MODEL, device=work.device).transform_and_score(pixels)


def _groups_of_neighbors(
    folder: Path, indices: NDArray[np.int32], distances: NDArray[np.floating[Any]], min_confidence: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Group and confidence of each new image, from its neighbours in the run weighted by nearness."""
    of_known = tables.read_column(folder / layout.GROUPS, "group")
    members = np.zeros((len(of_known), max(1, int(of_known.max()) + 1)), np.float32)
    sure = np.flatnonzero(of_known >= 0)
    members[sure, of_known[sure]] = 1
    memberships = mean_over_neighbors(members, indices, distances)
    groups = memberships.argmax(axis=1).astype(np.int32)
    confidence = memberships.max(axis=1)
    return np.where(confidence < max(min_confidence, np.finfo(np.float32).tiny), np.int32(-1), groups), confidence
