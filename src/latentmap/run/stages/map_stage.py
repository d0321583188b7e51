"""The stage "map": the latent vectors in the plane."""

import numpy as np

from latentmap.core.memory import give_back
from latentmap.neighbors import nearest_neighbors
from latentmap.run import tables
from latentmap.run.layout import MAP
from latentmap.run.work import Work
from latentmap.tsne import TSNE


def make_map(work: Work) -> list[str]:
    """Lay the latent vectors out in the plane: map.parquet."""
    n = len(work.pixels)
    with work.show("map") as callback:
        tsne = TSNE(perplexity=work.options.perplexity_for(n), random_state=work.options.seed, callback=callback)
        # both arrays are passed on without a name here, so that the fit can free them
        latents = [work.take_latents()]
        neighbors = [nearest_neighbors(latents[0], tsne.n_neighbors_for(n))]
        give_back()  # what the search held
        tsne.fit(latents.pop(), neighbors=neighbors.pop())
        xy = tsne.embedding_
    tables.write_table(work.folder / MAP, {"id": np.arange(n), "x": xy[:, 0], "y": xy[:, 1]})
    return [MAP]
