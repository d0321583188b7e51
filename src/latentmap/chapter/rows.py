"""The rows of the course chapter, S1 to S14: each compares published figures with measured ones."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import make_blobs

from latentmap import plots
from latentmap.autoencoder import Autoencoder
from latentmap.chapter.comparisons import RowFindings
from latentmap.chapter.models import SEED, ChapterModels
from latentmap.chapter.published import (
    CONV_ELU_TEST_ERROR,
    CONV_LAYERS,
    CONV_LOSS,
    CONV_RELU_TEST_ERROR,
    DENSE_LAYERS,
    DENSE_LOSS,
    DENSE_TEST_ERROR,
    FIRST_LABEL,
    KMEANS_SECONDS,
    MAP_SECONDS,
    PERPLEXITIES,
    PERPLEXITY_SWEEP_SECONDS,
    TEST_SHAPE,
    TRAIN_SHAPE,
)
from latentmap.kmeans import KMeans
from latentmap.metrics import clustering_report, trustworthiness
from latentmap.plots.thumbnails import place_thumbnails

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _mnist(models: ChapterModels, findings: RowFindings) -> None:
    images, labels = models.train
    findings.equal("training images", TRAIN_SHAPE, images.shape)
    findings.equal("training labels", TRAIN_SHAPE[:1], labels.shape)
    findings.equal("test images", TEST_SHAPE, models.test.shape)
    findings.equal("first label", FIRST_LABEL, int(labels[0]))
    findings.figures["first-image"] = plots.first_image(images[0] / 255.0, label=int(labels[0]))


def _dense(models: ChapterModels, findings: RowFindings) -> None:
    _check_layers(findings, models.dense, DENSE_LAYERS)
    _check_loss(findings, models.dense, DENSE_LOSS)


def _dense_reconstructions(models: ChapterModels, findings: RowFindings) -> None:
    findings.at_most(
        "test error (0.0059 when the chapter's code is run again)", DENSE_TEST_ERROR, _test_error(models, models.dense)
    )
    findings.figures["dense"] = _pairs(models, models.dense)


def _conv_relu(models: ChapterModels, findings: RowFindings) -> None:
    _check_layers(findings, models.conv_relu, CONV_LAYERS)
    _check_loss(findings, models.conv_relu, CONV_LOSS)
    findings.at_most("test error", CONV_RELU_TEST_ERROR, _test_error(models, models.conv_relu))
    findings.figures["pairs"] = _pairs(models, models.conv_relu)


def _activations(models: ChapterModels, findings: RowFindings) -> None:  # noqa: ARG001 - every row has one signature
    x = np.arange(-5, 5, 0.01)
    for name, expected in (("relu", np.maximum(x, 0)), ("elu", np.where(x > 0, x, np.expm1(x)))):
        function: Callable[[torch.Tensor], torch.Tensor] = getattr(torch.nn.functional, name)
        difference = float(np.abs(function(torch.from_numpy(x)).numpy() - expected).max())
        findings.at_most(f"{name}: largest difference between its formula and torch", 1e-12, difference)
    findings.figures["activations"] = plots.activations()


def _conv_elu(models: ChapterModels, findings: RowFindings) -> None:
    _check_layers(findings, models.conv_elu, CONV_LAYERS)
    error = _test_error(models, models.conv_elu)
    findings.at_most("test error", CONV_ELU_TEST_ERROR, error)
    findings.notes.append(
        f"{error / _test_error(models, models.conv_relu):.2f} of the error with ReLU (published: 0.28)"
    )
    findings.figures["loss"] = plots.loss_curve(models.conv_elu.history_)
    findings.figures["pairs"] = _pairs(models, models.conv_elu)


def _kmeans_steps(models: ChapterModels, findings: RowFindings) -> None:  # noqa: ARG001 - every row has one signature
    X, _ = make_blobs(random_state=6)
    # three random points in the bounding box of the data, as in the chapter
    centers = np.random.default_rng(SEED).uniform(X.min(0), X.max(0), (3, 2))
    kmeans = KMeans(n_clusters=3, init=centers, n_init=1, tol=0, record_history=True).fit(X)
    steps = kmeans.history_
    inertias = [step.inertia for step in steps]
    stable = bool(np.array_equal(steps[-1].labels, steps[-2].labels))
    findings.holds(
        "convergence", "labels no longer change", f"after {len(steps)} steps, labels unchanged: {stable}", stable
    )
    falling = bool(np.all(np.diff(inertias) <= 1e-9))
    findings.holds("inertia", "never increases", " → ".join(f"{inertia:.0f}" for inertia in inertias), falling)
    findings.figures["steps"] = plots.kmeans_steps(X, steps)


def _latents(models: ChapterModels, findings: RowFindings) -> None:
    findings.equal("latent vectors", (60000, 64), models.latents.shape)
    n_inactive = int((models.latents.std(0) < 1e-3).sum())
    findings.notes.append(f"{n_inactive} of 64 dimensions are inactive (constant over all images)")
    findings.notes.append("first vector: " + np.array2string(models.latents[0], precision=3, max_line_width=100))


def _kmeans_on_latents(models: ChapterModels, findings: RowFindings) -> None:
    kmeans, timing = models.kmeans
    findings.equal("labels_", (60000,), kmeans.labels_.shape)
    findings.equal("cluster_centers_", (10, 64), kmeans.cluster_centers_.shape)
    findings.at_most("wall time", KMEANS_SECONDS, timing.wall, " s")
    findings.notes.append(f"CPU time {timing.cpu:.2f} s, {kmeans.n_iter_} iterations, inertia {kmeans.inertia_:.4g}")


def _cluster_sheet(models: ChapterModels, findings: RowFindings) -> None:
    images, digits = models.train
    groups = models.kmeans[0].labels_
    sizes = np.bincount(groups, minlength=10)
    findings.holds(
        "clusters with at least ten members", "10", str(int((sizes >= 10).sum())), bool((sizes >= 10).sum() == 10)
    )
    fractions = [np.bincount(digits[groups == group]).max() / sizes[group] for group in range(10)]
    mixed = int(np.argmin(fractions))
    findings.notes.append(
        f"the most frequent digit makes up {min(fractions):.0%} of the least pure cluster (number {mixed}) and "
        f"{max(fractions):.0%} of the purest"
    )
    report = clustering_report(digits, groups)
    findings.notes.append(", ".join(f"{name} {value:.3f}" for name, value in report.items()))
    findings.figures["sheet"] = plots.cluster_sheet(images, groups)


def _map(models: ChapterModels, findings: RowFindings) -> None:
    xy, divergence, seconds = models.map(15)
    n = models.workload.n_map
    findings.equal("map", (5000, 2), xy.shape)
    findings.at_most("wall time", MAP_SECONDS, seconds, " s")
    trust = trustworthiness(models.latents[:n], xy)
    findings.notes.append(f"KL divergence {divergence:.3f}, trustworthiness {trust:.3f} (15 neighbours)")
    findings.figures["map"] = plots.scatter(xy, models.train[1][:n])


def _t_distribution(models: ChapterModels, findings: RowFindings) -> None:  # noqa: ARG001 - every row has one signature
    t, normal = stats.t(2.74), stats.norm()
    findings.holds("at 0, Student's t is", "lower", f"{t.pdf(0):.3f} < {normal.pdf(0):.3f}", t.pdf(0) < normal.pdf(0))
    findings.holds("at 4, Student's t is", "higher", f"{t.pdf(4):.4f} > {normal.pdf(4):.4f}", t.pdf(4) > normal.pdf(4))
    findings.figures["t-against-normal"] = plots.t_against_normal(2.74)


def _perplexities(models: ChapterModels, findings: RowFindings) -> None:
    maps = {perplexity: models.map(perplexity) for perplexity in PERPLEXITIES}
    findings.equal("maps", len(PERPLEXITIES), len(maps))
    findings.at_most("wall time", PERPLEXITY_SWEEP_SECONDS, sum(seconds for _, _, seconds in maps.values()), " s")
    n = models.workload.n_map
    for perplexity, (xy, divergence, _) in maps.items():
        trust = trustworthiness(models.latents[:n], xy)
        findings.notes.append(f"perplexity {perplexity}: KL divergence {divergence:.3f}, trustworthiness {trust:.3f}")
    coordinates = {float(perplexity): xy for perplexity, (xy, _, _) in maps.items()}
    findings.figures["perplexities"] = plots.perplexity_sweep(coordinates, models.train[1][:n])


def _images_on_map(models: ChapterModels, findings: RowFindings) -> None:
    n = models.workload.n_map
    xy = models.map(15)[0]
    figure = plots.image_map(xy, models.train[0][:n], models.train[1][:n], n_images=200)
    findings.equal("thumbnails", 200, len(place_thumbnails(xy, 200)[0]))
    findings.equal("size in inches", (16.0, 16.0), tuple(map(float, figure.get_size_inches())))
    findings.figures["images"] = figure


CHAPTER_ROWS: dict[str, tuple[str, Callable[[ChapterModels, RowFindings], None]]] = {
    "S1": ("MNIST data", _mnist),
    "S2": ("dense autoencoder", _dense),
    "S3": ("dense reconstructions", _dense_reconstructions),
    "S4": ("CNN autoencoder, ReLU", _conv_relu),
    "S5": ("ReLU against ELU", _activations),
    "S6": ("CNN autoencoder, ELU", _conv_elu),
    "S7": ("K-means step by step", _kmeans_steps),
    "S8": ("latent vectors", _latents),
    "S9": ("K-means on latents", _kmeans_on_latents),
    "S10": ("cluster sheet", _cluster_sheet),
    "S11": ("t-SNE of latents", _map),
    "S12": ("Student's t against normal", _t_distribution),
    "S13": ("perplexity sweep", _perplexities),
    "S14": ("images on the map", _images_on_map),
}


def _check_layers(findings: RowFindings, model: Autoencoder, published: list[int]) -> None:
    counts = [layer.n_parameters for layer in model.layer_table() if layer.n_parameters]
    findings.equal("parameters by layer", _format_sum(published), _format_sum(counts))


def _format_sum(counts: list[int]) -> str:
    return " + ".join(f"{count:,}" for count in counts) + f" = {sum(counts):,}"


def _check_loss(findings: RowFindings, model: Autoencoder, published: list[float]) -> None:
    losses = model.history_["loss"]
    findings.at_most(f"loss in epoch {len(losses)}", published[len(losses) - 1], losses[-1])
    findings.notes.append("loss by epoch, published: " + ", ".join(f"{loss:.4f}" for loss in published))
    findings.notes.append("loss by epoch, measured: " + ", ".join(f"{loss:.4f}" for loss in losses))
    findings.notes.append(f"{np.median(model.history_['seconds']):.1f} s an epoch")
    findings.figures["loss"] = plots.loss_curve(model.history_, published=published)


def _test_error(models: ChapterModels, model: Autoencoder) -> float:
    return -model.score(models.test)


def _pairs(models: ChapterModels, model: Autoencoder) -> "Figure":
    chosen = np.random.default_rng(SEED).choice(len(models.test), 4, replace=False)
    images: NDArray[Any] = models.test[chosen]
    return plots.reconstructions(images, model.reconstruct(images))
