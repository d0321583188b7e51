"""The stage "features": vectors by which the images that look alike are near each other."""

import numpy as np

from latentmap.features import ImageFeatures
from latentmap.run import tables
from latentmap.run.layout import FEATURES, MODEL
from latentmap.run.work import Work

# Dimensions of each of the six blocks. Above 100,000 images fewer of them keep the memory within that of 64 dimensions.
N_COMPONENTS, N_FEW_COMPONENTS = 64, 10
MAX_FULL_IMAGES = 100_000


def compute_features(work: Work) -> list[str]:
    """Compute visual features: features.parquet, and model/features.*; nothing if latent vectors are the features."""
    if work.options.features == "latent":
        return []
    work.forget_latents()  # they are not needed before the report
    with work.show("features") as callback:
        n_components = N_COMPONENTS if len(work.pixels) <= MAX_FULL_IMAGES else N_FEW_COMPONENTS
        model = ImageFeatures(n_components=n_components, random_state=work.options.seed, callback=callback)
        features = model.fit_transform(work.pixels)
    model.save(work.folder / MODEL)
    columns = {"id": np.arange(len(features)), "features": tables.vectors(features)}
    tables.write_table(work.folder / FEATURES, columns)
    weights = sorted(model.weights_.items(), key=lambda item: -item[1])
    work.say("  neighbours by " + ", ".join(f"{kind} {weight:.0%}" for kind, weight in weights if weight >= 0.005))
    work.points = features
    return [FEATURES, f"{MODEL}/features.json", f"{MODEL}/features.safetensors"]
