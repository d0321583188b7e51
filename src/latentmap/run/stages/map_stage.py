"""The stage "map": t-SNE of the latent vectors or features, or given places."""

import numpy as np

from latentmap.core.errors import RunError
from latentmap.run import tables
from latentmap.run.given import float_blocks
from latentmap.run.layout import MAP
from latentmap.run.work import Work
from latentmap.tsne import TSNE


def make_map(work: Work) -> list[str]:
    """Compute the map with t-SNE, or take the given places: map.parquet."""
    if work.state.get("places") is not None:
        return _take_places(work)
    n = len(work.pixels)
    with work.show("map") as callback:
        tsne = TSNE(
            perplexity=work.options.perplexity_for(n),
            random_state=work.options.seed,
            callback=callback,
            device=work.device,
        )
        # both arrays are passed on without a name here, so that the fit can free them
        points = [work.take_points()]
        neighbors = [work.neighbors.for_map(points[0], tsne.n_neighbors_for(n))]
        tsne.fit(points.pop(), neighbors=neighbors.pop())
        xy = tsne.embedding_
    tables.write_table(work.folder / MAP, {"id": np.arange(n), "x": xy[:, 0], "y": xy[:, 1]})
    return [MAP]


def _take_places(work: Work) -> list[str]:
    """Write the given places of the images."""
    if work.places is None:
        raise RunError(f"{work.folder / MAP}: missing: the command that made the run makes it again")
    given = work.places.given
    xy = np.concatenate(list(float_blocks(given.values, given.name, work.places.rows)))
    tables.write_table(work.folder / MAP, {"id": np.arange(len(xy)), "x": xy[:, 0], "y": xy[:, 1]})
    return [MAP]
