"""Colours of groups, the same in all pictures of a run."""

import numpy as np
from numpy.typing import NDArray

MAX_SEQUENCE = 10  # colours that colour-blind readers can distinguish


def group_colors(n: int) -> NDArray[np.float64]:
    """Choose colours for n groups.

    Parameters
    ----------
    n : int
        Number of groups. Up to ten get colours that colour-blind readers can distinguish; more get n hues.

    Returns
    -------
    array (n, 3), float64
        RGB values in [0, 1].

    References
    ----------
    Petroff (2021), Accessible color sequences for data visualization.
    """
    from matplotlib import color_sequences, colormaps
    from matplotlib.colors import to_rgb

    if n <= MAX_SEQUENCE:
        return np.array([to_rgb(color) for color in color_sequences["petroff10"][:n]]).reshape(n, 3)
    hues = colormaps["turbo"](np.linspace(0.03, 0.97, n))[:, :3]
    # groups with adjacent numbers get distant hues
    step = next(step for step in range(round(n * 0.382) or 1, n + 1) if np.gcd(step, n) == 1)
    shuffled: NDArray[np.float64] = hues[np.arange(n) * step % n] * 0.92
    return shuffled
