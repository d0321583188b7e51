"""The stage "train": the autoencoder, or the decoder of given vectors."""

from latentmap.autoencoder import Autoencoder, ImageDecoder
from latentmap.images.pixel_types import full_range
from latentmap.run.given.vector_files import open_vectors
from latentmap.run.layout import CHECKPOINT, MODEL
from latentmap.run.warmup import compiling_in_background
from latentmap.run.work import Work

MODEL_FILES = [f"{MODEL}/config.json", f"{MODEL}/weights.safetensors"]


def train(work: Work) -> list[str]:
    """Fit the autoencoder, or the decoder of given vectors: model/. A killed one resumes after its last whole epoch."""
    if work.has_vectors:
        return _train_decoder(work) if work.options.decoder else []
    checkpoint = work.folder / CHECKPOINT
    parameters = work.options.autoencoder_parameters() | {"device": work.device}
    with compiling_in_background(), work.show("train") as callback:
        model = Autoencoder(**parameters, checkpoint=checkpoint, callback=callback)
        model.fit(work.pixels, pixel_range=full_range(work.pixels))
    _save(model, work)
    checkpoint.unlink()
    return MODEL_FILES


def _train_decoder(work: Work) -> list[str]:
    checkpoint, vectors = work.folder / CHECKPOINT, open_vectors(work.folder)
    parameters = work.options.decoder_parameters() | {"device": work.device}
    with compiling_in_background(), work.show("train") as callback:
        model = ImageDecoder(**parameters, checkpoint=checkpoint, callback=callback)
        model.fit(vectors, work.pixels, pixel_range=full_range(work.pixels))
    _save(model, work)
    checkpoint.unlink()
    return MODEL_FILES


def _save(model: Autoencoder | ImageDecoder, work: Work) -> None:
    """Save a model that other machines can load, which may have no GPU."""
    model.set_params(device="cpu" if work.device == "cpu" else "auto").save(work.folder / MODEL)
