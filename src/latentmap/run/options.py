"""What a run can be asked for."""

from dataclasses import asdict, dataclass
from typing import Any


class OptionError(ValueError):
    """An option out of its range."""


@dataclass(frozen=True)
class RunOptions:
    """Options of a run. Each is checked when it is set, before any work.

    Parameters
    ----------
    network, activation, latent_dim, beta, denoising, noise_level, precision
        See :class:`latentmap.Autoencoder`.
    epochs, batch_size, learning_rate, augmentation
        The same; None for what the autoencoder finds fit.
    groups : {"graph", "kmeans"}
        How the latent vectors are grouped: :class:`latentmap.GraphClustering` or :class:`latentmap.KMeans`.
    n_clusters : int, optional
        Groups to make. By default they are counted on the graph; K-means makes ten.
    invariant : bool
        Take an image that is shifted, turned, sheared or stretched a little for the same one when neighbours in the
        graph are looked for. Takes as long as encoding twelve times.
    min_confidence : float
        Images that are less sure of their group in the graph get group -1.
    perplexity : float
        Of t-SNE; a collection too small for it is mapped with a third of its size instead.
    seed : int
        Of everything that is random.

    Raises
    ------
    OptionError
        For a value out of its range.
    """

    network: str = "auto"
    activation: str = "auto"
    latent_dim: int = 64
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    beta: float = 1.0
    denoising: str | None = None
    noise_level: float = 0.25
    augmentation: tuple[str, ...] | None = None
    precision: str = "auto"
    groups: str = "graph"
    n_clusters: int | None = None
    invariant: bool = True
    min_confidence: float = 0.0
    perplexity: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_ranges()
        if self.augmentation is not None:
            object.__setattr__(self, "augmentation", tuple(self.augmentation))  # JSON has lists only
        # torch is loaded last: the checks above answer at once
        from latentmap.networks import NETWORKS
        from latentmap.networks.activations import make_activation
        from latentmap.training.augmentation import AUGMENTATIONS
        from latentmap.training.corruption import NOISES
        from latentmap.training.precision import PRECISIONS

        choices: list[tuple[str, object, list[str]]] = [
            ("network", self.network, ["auto", *NETWORKS]),
            ("denoising", self.denoising or "gaussian", list(NOISES)),
            ("groups", self.groups, ["graph", "kmeans"]),
            ("precision", self.precision, ["auto", *PRECISIONS]),
            *(("augmentation", name, list(AUGMENTATIONS)) for name in self.augmentation or ()),
        ]
        for name, value, known in choices:
            if value not in known:
                raise OptionError(f"{name}={value!r}: choose among {', '.join(known)}")
        if self.activation != "auto":
            try:
                make_activation(self.activation)
            except ValueError as error:
                raise OptionError(str(error)) from error

    def _check_ranges(self) -> None:
        for name, least in (("latent_dim", 1), ("epochs", 1), ("batch_size", 1), ("n_clusters", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise OptionError(f"{name}={value}: ask for at least {least}")
        for name in ("learning_rate", "perplexity"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise OptionError(f"{name}={value:g}: ask for more than 0")
        if not self.beta >= 0:
            raise OptionError(f"beta={self.beta:g}: ask for at least 0")
        for name in ("noise_level", "min_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name}={getattr(self, name):g}: ask for one from 0 to 1")
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"seed={self.seed}: ask for one from 0 to {2**32 - 1}")

    def as_dict(self) -> dict[str, Any]:
        """The options by name, as JSON can hold them."""
        return asdict(self) | {"augmentation": None if self.augmentation is None else list(self.augmentation)}
