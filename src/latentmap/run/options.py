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
    network, activation, latent_dim, epochs, batch_size, learning_rate
        See :class:`latentmap.Autoencoder`.
    n_clusters : int
        Groups that K-means makes.
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
    activation: str = "elu"
    latent_dim: int = 64
    epochs: int = 10
    batch_size: int = 256
    learning_rate: float = 1e-3
    n_clusters: int = 10
    perplexity: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("latent_dim", 1), ("epochs", 1), ("batch_size", 1), ("n_clusters", 1)):
            if getattr(self, name) < least:
                raise OptionError(f"{name}={getattr(self, name)}: ask for at least {least}")
        for name, bound in (("learning_rate", 0.0), ("perplexity", 0.0)):
            if not getattr(self, name) > bound:
                raise OptionError(f"{name}={getattr(self, name):g}: ask for more than {bound:g}")
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"seed={self.seed}: ask for one from 0 to {2**32 - 1}")
        # torch is loaded last: the checks above answer at once
        from latentmap.networks import NETWORKS
        from latentmap.networks.activations import make_activation

        known = ["auto", *NETWORKS]
        if self.network not in known:
            raise OptionError(f"network={self.network!r}: choose among {', '.join(known)}")
        try:
            make_activation(self.activation)
        except ValueError as error:
            raise OptionError(str(error)) from error

    def as_dict(self) -> dict[str, Any]:
        """The options by name."""
        return asdict(self)
