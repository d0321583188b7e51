"""The course chapter from its first cell to its last: what it printed beside what is measured here.

:func:`reproduce` runs the rows S1 to S14, writes one HTML page, one JSON file and the figures, and returns the rows.
What several rows need (a trained network, the latent vectors) is made once, when the first of them asks for it.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import make_blobs

from latentmap import plots
from latentmap.autoencoder import Autoencoder
from latentmap.core.atomic_files import write_text
from latentmap.core.environment import describe_environment
from latentmap.core.progress import show_progress
from latentmap.images import load_mnist
from latentmap.kmeans import KMeans
from latentmap.metrics import clustering_report, trustworthiness
from latentmap.neighbors import NeighborGraph, nearest_neighbors
from latentmap.plots.thumbnails import place_thumbnails
from latentmap.report.html import render
from latentmap.tsne import TSNE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DENSE_LOSS = [0.0504, 0.0174, 0.0122, 0.0101, 0.0090, 0.0082, 0.0076, 0.0072, 0.0069, 0.0066]
CONV_LOSS = [0.0763, 0.0305, 0.0224, 0.0200, 0.0190, 0.0184, 0.0179, 0.0176, 0.0174, 0.0172]
DENSE_LAYERS = [615_440, 50_240, 50_960]
CONV_LAYERS = [160, 8_256, 200_768, 203_840, 8_224, 129]
PERPLEXITIES = (5, 10, 15, 25, 50, 100)
SEED = 0


@dataclass(frozen=True)
class Scale:
    """How much of the chapter's work is done."""

    n_train: int = 60_000
    n_test: int = 10_000
    epochs: int = 10
    clustering_epochs: int = 20
    n_map: int = 5_000


FULL = Scale()
QUICK = Scale(n_train=6_000, n_test=1_000, epochs=2, clustering_epochs=2, n_map=1_000)


@dataclass(frozen=True)
class Check:
    """One published figure beside the measured one."""

    what: str
    published: str
    measured: str
    tolerance: str
    met: bool


@dataclass(frozen=True)
class RowResult:
    """One row of the chapter: its checks, what else was seen, its figures, and the seconds that it took."""

    id: str
    part: str
    verdict: str
    checks: list[Check]
    notes: list[str]
    figures: list[str]
    seconds: float


@dataclass
class _Findings:
    """The measured part of a row."""

    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: "dict[str, Figure]" = field(default_factory=dict)

    def equal(self, what: str, published: object, measured: object) -> None:
        """The two must be the same."""
        self.checks.append(Check(what, str(published), str(measured), "equal", bool(published == measured)))

    def at_most(self, what: str, published: float, measured: float, unit: str = "") -> None:
        """The measured figure must not be larger."""
        self.checks.append(
            Check(what, f"{published:.4g}{unit}", f"{measured:.4g}{unit}", "at most", bool(measured <= published))
        )

    def holds(self, what: str, published: str, measured: str, met: bool) -> None:
        """Something that can be seen to hold or not."""
        self.checks.append(Check(what, published, measured, "holds", bool(met)))


def reproduce(
    out: Path, rows: Sequence[str] | None = None, *, quick: bool = False, quiet: bool = False
) -> list[RowResult]:
    """Run the chapter and write ``index.html``, ``chapter.json`` and ``figures/`` into ``out``.

    Parameters
    ----------
    out : Path
        Made when it is not there.
    rows : sequence of str, optional
        Ids such as ``["S5", "S7"]``; all of them by default.
    quick : bool, default=False
        A tenth of the images and a few epochs, to see it run. The verdicts are then ``"not judged"``, since the
        published figures are for all of the data.
    quiet : bool, default=False
        Show no progress.

    Returns
    -------
    list of RowResult
        ``verdict`` is ``"met"`` when every check of the row is, else ``"not met"``.

    Raises
    ------
    ValueError
        For a row that the chapter does not have.
    """
    chosen = _choose(rows)
    (out / "figures").mkdir(parents=True, exist_ok=True)
    chapter = _Chapter(QUICK if quick else FULL, quiet)
    results = [_run(row_id, chapter, out, judged=not quick) for row_id in chosen]
    record = {
        "rows": [asdict(result) for result in results],
        "quick": quick,
        "seed": SEED,
        **describe_environment(),
    }
    write_text(out / "chapter.json", json.dumps(record, indent=1, ensure_ascii=False))
    write_text(out / "index.html", render("chapter.html.j2", folder=out, **record))
    return results


def _choose(rows: Sequence[str] | None) -> list[str]:
    if not rows:
        return list(ROWS)
    wanted = [row.upper() for row in rows]
    unknown = [row for row in wanted if row not in ROWS]
    if unknown:
        raise ValueError(f"no row {', '.join(unknown)} in the chapter: choose among {', '.join(ROWS)}")
    return [row for row in ROWS if row in wanted]


def _run(row_id: str, chapter: "_Chapter", out: Path, *, judged: bool) -> RowResult:
    part, function = ROWS[row_id]
    findings = _Findings()
    begun = time.perf_counter()
    function(chapter, findings)
    names = []
    for name, figure in findings.figures.items():
        names.append(f"figures/{row_id}-{name}.png")
        figure.savefig(out / names[-1], dpi=110)
    met = all(check.met for check in findings.checks)
    verdict = ("met" if met else "not met") if judged else "not judged"
    seconds = round(time.perf_counter() - begun, 2)
    return RowResult(row_id, part, verdict, findings.checks, findings.notes, names, seconds)


@dataclass
class _Timing:
    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def _timed() -> Iterator[_Timing]:
    timing = _Timing()
    wall, cpu = time.perf_counter(), time.process_time()
    yield timing
    timing.wall, timing.cpu = time.perf_counter() - wall, time.process_time() - cpu


class _Chapter:
    """The data and models that several rows share, each made when first asked for."""

    def __init__(self, scale: Scale, quiet: bool) -> None:
        self.scale = scale
        self.quiet = quiet

    @cached_property
    def train(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        images, labels = load_mnist("train")
        return images[: self.scale.n_train], labels[: self.scale.n_train]

    @cached_property
    def test(self) -> NDArray[np.uint8]:
        return load_mnist("test")[0][: self.scale.n_test]

    @cached_property
    def dense(self) -> Autoencoder:
        return self._fit("dense", "relu", self.scale.epochs)

    @cached_property
    def conv_relu(self) -> Autoencoder:
        return self._fit("conv", "relu", self.scale.epochs)

    @cached_property
    def conv_elu(self) -> Autoencoder:
        return self._fit("conv", "elu", self.scale.epochs)

    @cached_property
    def latents(self) -> NDArray[np.float32]:
        """Latent vectors of the training images, from the ELU network trained for longer."""
        return self._fit("conv", "elu", self.scale.clustering_epochs).transform(self.train[0])

    @cached_property
    def kmeans(self) -> tuple[KMeans, _Timing]:
        latents = self.latents
        with _timed() as timing:
            kmeans = KMeans(n_clusters=10, n_init=10, random_state=42).fit(latents)
        return kmeans, timing

    @cached_property
    def neighbors(self) -> NeighborGraph:
        """Neighbours of the latent vectors that are mapped, enough for every perplexity of the sweep."""
        return nearest_neighbors(self.latents[: self.scale.n_map], 3 * max(PERPLEXITIES) + 1)

    @cached_property
    def maps(self) -> dict[int, tuple[NDArray[np.float32], float, float]]:
        """Perplexity → (map (n_map, 2), KL divergence, seconds)."""
        return {}

    def map(self, perplexity: int) -> tuple[NDArray[np.float32], float, float]:
        """The map of the first latents at one perplexity: coordinates, KL divergence, seconds."""
        if perplexity not in self.maps:
            latents = self.latents[: self.scale.n_map]
            tsne = TSNE(learning_rate=100, perplexity=perplexity, random_state=0)
            with _timed() as timing:
                xy = tsne.fit_transform(latents, neighbors=self.neighbors)
            self.maps[perplexity] = np.asarray(xy, np.float32), float(tsne.kl_divergence_), timing.wall
        return self.maps[perplexity]

    def _fit(self, network: str, activation: str, epochs: int) -> Autoencoder:
        with show_progress(f"{network}, {activation}, {epochs} epochs", quiet=self.quiet) as callback:
            model = Autoencoder(network, activation=activation, epochs=epochs, random_state=SEED, callback=callback)
            model.fit(self.train[0])
        model.callback = None
        return model


def _mnist_in(chapter: _Chapter, found: _Findings) -> None:
    images, labels = chapter.train
    found.equal("training images", (60000, 28, 28), images.shape)
    found.equal("training labels", (60000,), labels.shape)
    found.equal("test images", (10000, 28, 28), chapter.test.shape)
    found.equal("first label", 5, int(labels[0]))
    found.figures["first-image"] = plots.first_image(images[0] / 255.0, label=int(labels[0]))


def _dense(chapter: _Chapter, found: _Findings) -> None:
    _check_layers(found, chapter.dense, DENSE_LAYERS)
    _check_loss(found, chapter.dense, DENSE_LOSS)


def _look(chapter: _Chapter, found: _Findings) -> None:
    found.at_most("test error (the chapter's code run again: 0.0059)", 0.0060, _test_error(chapter, chapter.dense))
    found.figures["dense"] = _pairs(chapter, chapter.dense)


def _conv_relu(chapter: _Chapter, found: _Findings) -> None:
    _check_layers(found, chapter.conv_relu, CONV_LAYERS)
    _check_loss(found, chapter.conv_relu, CONV_LOSS)
    found.at_most("test error", 0.01880, _test_error(chapter, chapter.conv_relu))
    found.figures["pairs"] = _pairs(chapter, chapter.conv_relu)


def _activations(chapter: _Chapter, found: _Findings) -> None:  # noqa: ARG001 - every row has one signature
    x = np.arange(-5, 5, 0.01)
    for name, expected in (("relu", np.maximum(x, 0)), ("elu", np.where(x > 0, x, np.expm1(x)))):
        function: Callable[[torch.Tensor], torch.Tensor] = getattr(torch.nn.functional, name)
        difference = float(np.abs(function(torch.from_numpy(x)).numpy() - expected).max())
        found.at_most(f"{name}: largest difference between its formula and the one trained with", 1e-12, difference)
    found.figures["activations"] = plots.activations()


def _conv_elu(chapter: _Chapter, found: _Findings) -> None:
    _check_layers(found, chapter.conv_elu, CONV_LAYERS)
    error = _test_error(chapter, chapter.conv_elu)
    found.at_most("test error", 0.00517, error)
    found.notes.append(
        f"{error / _test_error(chapter, chapter.conv_relu):.2f} of the error with ReLU (published: 0.28)"
    )
    found.figures["loss"] = plots.loss_curve(chapter.conv_elu.history_)
    found.figures["pairs"] = _pairs(chapter, chapter.conv_elu)


def _kmeans_steps(chapter: _Chapter, found: _Findings) -> None:  # noqa: ARG001 - every row has one signature
    X, _ = make_blobs(random_state=6)
    # three random places in the box that holds the points, as the chapter draws them
    centers = np.random.default_rng(SEED).uniform(X.min(0), X.max(0), (3, 2))
    kmeans = KMeans(n_clusters=3, init=centers, n_init=1, tol=0, record_history=True).fit(X)
    steps = kmeans.history_
    inertias = [step.inertia for step in steps]
    stable = bool(np.array_equal(steps[-1].labels, steps[-2].labels))
    found.holds(
        "the steps end", "when nothing changes", f"after {len(steps)} steps, labels unchanged: {stable}", stable
    )
    falling = bool(np.all(np.diff(inertias) <= 1e-9))
    found.holds("inertia", "never rises", " → ".join(f"{inertia:.0f}" for inertia in inertias), falling)
    found.figures["steps"] = plots.kmeans_steps(X, steps)


def _latents(chapter: _Chapter, found: _Findings) -> None:
    found.equal("latent vectors", (60000, 64), chapter.latents.shape)
    dead = int((chapter.latents.std(0) < 1e-3).sum())
    found.notes.append(f"{dead} of 64 dimensions are constant over all images")
    found.notes.append("first vector: " + np.array2string(chapter.latents[0], precision=3, max_line_width=100))


def _kmeans_on_latents(chapter: _Chapter, found: _Findings) -> None:
    kmeans, timing = chapter.kmeans
    found.equal("labels_", (60000,), kmeans.labels_.shape)
    found.equal("cluster_centers_", (10, 64), kmeans.cluster_centers_.shape)
    found.at_most("wall time", 13.4, timing.wall, " s")
    found.notes.append(f"CPU time {timing.cpu:.2f} s, {kmeans.n_iter_} iterations, inertia {kmeans.inertia_:.4g}")


def _cluster_sheet(chapter: _Chapter, found: _Findings) -> None:
    images, digits = chapter.train
    groups = chapter.kmeans[0].labels_
    sizes = np.bincount(groups, minlength=10)
    found.holds("rows of ten members", "10", str(int((sizes >= 10).sum())), bool((sizes >= 10).sum() == 10))
    shares = [np.bincount(digits[groups == group]).max() / sizes[group] for group in range(10)]
    mixed = int(np.argmin(shares))
    found.notes.append(
        f"the commonest digit holds {min(shares):.0%} of the most mixed cluster (number {mixed}) and "
        f"{max(shares):.0%} of the purest"
    )
    report = clustering_report(digits, groups)
    found.notes.append(", ".join(f"{name} {value:.3f}" for name, value in report.items()))
    found.figures["sheet"] = plots.cluster_sheet(images, groups)


def _map(chapter: _Chapter, found: _Findings) -> None:
    xy, divergence, seconds = chapter.map(15)
    n = chapter.scale.n_map
    found.equal("map", (5000, 2), xy.shape)
    found.at_most("wall time", 32.9, seconds, " s")
    trust = trustworthiness(chapter.latents[:n], xy)
    found.notes.append(f"KL divergence {divergence:.3f}, trustworthiness {trust:.3f} (15 neighbours)")
    found.figures["map"] = plots.scatter(xy, chapter.train[1][:n])


def _t_distribution(chapter: _Chapter, found: _Findings) -> None:  # noqa: ARG001 - every row has one signature
    t, normal = stats.t(2.74), stats.norm()
    found.holds("at 0, Student's t is", "lower", f"{t.pdf(0):.3f} < {normal.pdf(0):.3f}", t.pdf(0) < normal.pdf(0))
    found.holds("at 4, Student's t is", "higher", f"{t.pdf(4):.4f} > {normal.pdf(4):.4f}", t.pdf(4) > normal.pdf(4))
    found.figures["t-against-normal"] = plots.t_against_normal(2.74)


def _perplexities(chapter: _Chapter, found: _Findings) -> None:
    maps = {perplexity: chapter.map(perplexity) for perplexity in PERPLEXITIES}
    found.equal("maps", 6, len(maps))
    found.at_most("wall time", 232.0, sum(seconds for _, _, seconds in maps.values()), " s")
    n = chapter.scale.n_map
    for perplexity, (xy, divergence, _) in maps.items():
        trust = trustworthiness(chapter.latents[:n], xy)
        found.notes.append(f"perplexity {perplexity}: KL divergence {divergence:.3f}, trustworthiness {trust:.3f}")
    coordinates = {float(perplexity): xy for perplexity, (xy, _, _) in maps.items()}
    found.figures["perplexities"] = plots.perplexity_sweep(coordinates, chapter.train[1][:n])


def _images_on_map(chapter: _Chapter, found: _Findings) -> None:
    n = chapter.scale.n_map
    xy = chapter.map(15)[0]
    figure = plots.image_map(xy, chapter.train[0][:n], chapter.train[1][:n], n_images=200)
    found.equal("thumbnails", 200, len(place_thumbnails(xy, 200)[0]))
    found.equal("size in inches", (16.0, 16.0), tuple(map(float, figure.get_size_inches())))
    found.figures["images"] = figure


ROWS: dict[str, tuple[str, Callable[[_Chapter, _Findings], None]]] = {
    "S1": ("MNIST in", _mnist_in),
    "S2": ("dense autoencoder", _dense),
    "S3": ("look at it", _look),
    "S4": ("CNN autoencoder, ReLU", _conv_relu),
    "S5": ("ReLU against ELU", _activations),
    "S6": ("CNN autoencoder, ELU", _conv_elu),
    "S7": ("K-means step by step", _kmeans_steps),
    "S8": ("latent vectors", _latents),
    "S9": ("K-means on latents", _kmeans_on_latents),
    "S10": ("cluster sheet", _cluster_sheet),
    "S11": ("t-SNE of latents", _map),
    "S12": ("why t", _t_distribution),
    "S13": ("perplexity sweep", _perplexities),
    "S14": ("images on the map", _images_on_map),
}


def _check_layers(found: _Findings, model: Autoencoder, published: list[int]) -> None:
    counts = [layer.n_parameters for layer in model.layer_table() if layer.n_parameters]
    found.equal("parameters by layer", _sum(published), _sum(counts))


def _sum(counts: list[int]) -> str:
    return " + ".join(f"{count:,}" for count in counts) + f" = {sum(counts):,}"


def _check_loss(found: _Findings, model: Autoencoder, published: list[float]) -> None:
    losses = model.history_["loss"]
    found.at_most(f"loss in epoch {len(losses)}", published[len(losses) - 1], losses[-1])
    found.notes.append("loss by epoch, published: " + ", ".join(f"{loss:.4f}" for loss in published))
    found.notes.append("loss by epoch, measured: " + ", ".join(f"{loss:.4f}" for loss in losses))
    found.notes.append(f"{np.median(model.history_['seconds']):.1f} s an epoch")
    found.figures["loss"] = plots.loss_curve(model.history_, published=published)


def _test_error(chapter: _Chapter, model: Autoencoder) -> float:
    return -model.score(chapter.test)


def _pairs(chapter: _Chapter, model: Autoencoder) -> "Figure":
    chosen = np.random.default_rng(SEED).choice(len(chapter.test), 4, replace=False)
    images: NDArray[Any] = chapter.test[chosen]
    return plots.reconstructions(images, model.reconstruct(images))
