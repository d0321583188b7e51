"""The stage "encode": latent vectors and reconstruction errors, or the given vectors."""

import numpy as np

from latentmap.autoencoder import Autoencoder, ImageDecoder
from latentmap.run import tables
from latentmap.run.channel_records import CHANNEL_ERRORS, channel_errors
from latentmap.run.given.vector_files import open_vectors
from latentmap.run.layout import LATENTS, MODEL
from latentmap.run.work import Work


def encode(work: Work) -> list[str]:
    """Compute the latent vectors and reconstruction errors, or take the given vectors: latents.parquet."""
    if work.has_vectors:
        return _take_vectors(work)
    model = Autoencoder.load(work.folder / MODEL, device=work.device)
    latents, errors = model.transform_and_score(work.pixels)
    columns = {"id": np.arange(len(latents)), "latent": tables.vectors(latents), "error": errors}
    by_channel = channel_errors(model, work.state["source"], work.pixels)
    if by_channel is not None:
        columns[CHANNEL_ERRORS] = tables.vectors(by_channel)
    tables.write_table(work.folder / LATENTS, columns)
    work.latents = latents
    return [LATENTS]


def _take_vectors(work: Work) -> list[str]:
    """Write the given vectors as the latent ones, with the errors of the decoder if there is one."""
    latents = open_vectors(work.folder)
    columns = {"id": np.arange(len(latents)), "latent": tables.vectors(latents)}
    if work.options.decoder:
        decoder = ImageDecoder.load(work.folder / MODEL, device=work.device)
        columns["error"] = decoder.score_samples(latents, work.pixels)
    tables.write_table(work.folder / LATENTS, columns)
    return [LATENTS]
