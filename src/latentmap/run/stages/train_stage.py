"""The stage "train": the autoencoder."""

from latentmap.autoencoder import Autoencoder
from latentmap.run.layout import CHECKPOINT, MODEL
from latentmap.run.warmup import compiling_in_background
from latentmap.run.work import Work


def train(work: Work) -> list[str]:
    """Fit the autoencoder: model/. After a kill it resumes from the last epoch that ended. Given vectors need none."""
    if work.has_vectors:
        return []
    checkpoint = work.folder / CHECKPOINT
    parameters = work.options.autoencoder_parameters()
    with compiling_in_background(), work.show("train") as callback:
        model = Autoencoder(**parameters, checkpoint=checkpoint, callback=callback).fit(work.pixels)
    model.save(work.folder / MODEL)
    checkpoint.unlink()
    return [f"{MODEL}/config.json", f"{MODEL}/weights.safetensors"]
