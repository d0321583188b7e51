"""The options of a run."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any

from latentmap.core.errors import InputError, OptionError

MAX_COUNT = 2**31 - 1  # of latent dimensions, epochs, images in a batch, groups


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
        for field in fields(self):
            object.__setattr__(self, field.name, _of_type(field.name, getattr(self, field.name), field.type))
        self._check_ranges()
        # torch is loaded last: the checks above answer at once
        from latentmap.autoencoder.networks import NETWORKS
        from latentmap.autoencoder.networks.activations import make_activation
        from latentmap.autoencoder.training.augmentation import AUGMENTATIONS
        from latentmap.autoencoder.training.corruption import NOISES
        from latentmap.autoencoder.training.precision import PRECISIONS

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
            except InputError as error:
                raise OptionError(str(error)) from error

    def _check_ranges(self) -> None:
        for name, least in (("latent_dim", 1), ("epochs", 1), ("batch_size", 1), ("n_clusters", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise OptionError(f"{name}={value}: ask for at least {least}")
            if value is not None and value > MAX_COUNT:
                raise OptionError(f"{name}={value}: ask for at most {MAX_COUNT}")
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


def check_options(values: Mapping[str, Any]) -> None:
    """Raise OptionError unless options by name, those of run.json, are such that a run can have."""
    RunOptions(**known_options(values))


def known_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that this version has; an older one may have had others."""
    names = {field.name for field in fields(RunOptions)}
    return {name: value for name, value in values.items() if name in names}


def _of_type(name: str, value: Any, wanted: Any) -> Any:
    """The value as a plain one of the type that is wanted."""
    kind, _, none = (wanted.__name__ if isinstance(wanted, type) else str(wanted)).partition(" | ")
    if none and value is None:
        return None
    if kind.startswith("tuple"):
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            return tuple(value)  # JSON has lists only
        raise OptionError(f"{name}={value!r}: pass a list of names")
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "str" and isinstance(value, str):
        return value
    is_number = isinstance(value, Integral if kind == "int" else Real) and not isinstance(value, bool)
    if kind == "int" and is_number:
        return int(value)
    if kind == "float" and is_number and not math.isinf(value):
        return float(value)
    words = {"bool": "true or false", "str": "a name", "int": "a whole number", "float": "a finite number"}
    raise OptionError(f"{name}={value!r}: pass {words[kind]}{', or None' if none else ''}")
