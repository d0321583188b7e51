"""Figures of training, and of activation and density functions."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy import stats

from latentmap.plots.style import (
    BLUE,
    ORANGE,
    new_figure,
    open_frame,
)


def loss_curve(history: Mapping[str, Sequence[float]], published: Sequence[float] | None = None) -> Figure:
    """Draw the loss by epoch.

    Parameters
    ----------
    history : mapping of str to sequence of float
        ``loss``, and optionally ``val_loss``: one value for each epoch.
    published : sequence of float, optional
        Losses to compare with, from the first epoch on.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(6.4, 3.6)
    if published is not None:
        axes.plot(_epochs(published), published, "D", color="#9aa3af", markersize=5, label="published")
    axes.plot(_epochs(history["loss"]), history["loss"], "o-", color=BLUE, markersize=4, label="training")
    if "val_loss" in history:
        axes.plot(
            _epochs(history["val_loss"]), history["val_loss"], "s--", color=ORANGE, markersize=4, label="validation"
        )
    values = [*history["loss"], *(published or ())]
    if max(values) > 4 * min(values) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:.3g}")
        axes.yaxis.set_minor_formatter("{x:.3g}")
        axes.tick_params(axis="y", which="minor", labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(history["loss"]) == 1:
        axes.set_xlim(0, 2)  # matplotlib would show 0.05 epochs on either side
    axes.set(xlabel="epoch", ylabel="mean squared error")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    open_frame(axes)
    return figure


def activations() -> Figure:
    """Draw ReLU and ELU, f(x) = x for x > 0 and eˣ − 1 otherwise, from −5 to 5.

    Returns
    -------
    Figure

    References
    ----------
    Clevert et al. (2015), Fast and accurate deep network learning by exponential linear units (ELUs).
    """
    x = np.arange(-5, 5, 0.01)
    figure, axes = new_figure(5.6, 3.8)
    axes.axvline(0, color="#c3c9d2", linewidth=1)
    axes.axhline(0, color="#c3c9d2", linewidth=1)
    axes.plot(x, np.maximum(x, 0), "--", color=ORANGE, linewidth=2, label="ReLU")
    axes.plot(x, np.where(x > 0, x, np.expm1(x)), color=BLUE, linewidth=2, label="ELU")
    axes.set(xlabel="x", ylabel="f(x)")
    axes.legend(frameon=False)
    open_frame(axes)
    return figure


def t_against_normal(df: float = 2.74) -> Figure:
    """Draw the densities of Student's t and the normal distribution, to compare their tails.

    Parameters
    ----------
    df : float, default=2.74
        Degrees of freedom.

    Returns
    -------
    Figure
    """
    x = np.linspace(-5, 5, 401)
    figure, axes = new_figure(5.6, 3.8)
    axes.plot(x, stats.t(df).pdf(x), color=ORANGE, linewidth=2, label=f"Student's t, {df:g} degrees of freedom")
    axes.plot(x, stats.norm().pdf(x), "--", color=BLUE, linewidth=2, label="normal")
    axes.set(xlabel="distance", ylabel="density")
    axes.set_ylim(0, 0.5)
    axes.legend(frameon=False, fontsize=9, loc="upper right")
    open_frame(axes)
    return figure


def _epochs(values: Sequence[float]) -> NDArray[np.int64]:
    return np.arange(1, len(values) + 1)
